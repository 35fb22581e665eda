"""Soft types on what was said before: only a reader can judge them.

A wording holds the words of the conversation that it is about, so that it can be read beside the answer alone.
"""

from collections.abc import Callable

from ifrl_core.constraints.turn_types import TurnDraw, TurnType
from ifrl_core.constraints.types import Args
from ifrl_core.constraints.verifiers.arguments import Text
from ifrl_core.constraints.verifiers.turn import answers_of
from ifrl_core.records import Conversation

_WORDS = 12  # of an excerpt


def excerpt(text: str) -> str:
    """The first words of a text, without quotation marks of its own."""
    words = text.replace('"', "'").split()
    return " ".join(words[:_WORDS]) + (" ..." if len(words) > _WORDS else "")


def _first(conversation: Conversation) -> str:
    return conversation.user_turns[0] if len(conversation.user_turns) > 1 else ""


def _said(conversation: Conversation) -> str:
    return (answers_of(conversation) or [""])[-1]


def _request(conversation: Conversation) -> str:
    return conversation.request


def _system(conversation: Conversation) -> str:
    return conversation.system


def _soft(
    id: str, description: str, about: Callable[[Conversation], str], wordings: tuple[str, ...], slot: str = ""
) -> TurnType:
    """A type whose wordings quote the beginning of a text of the conversation, as `words`; it needs that text."""

    def draw(draw: TurnDraw) -> Args:
        return {"words": excerpt(about(draw.conversation))}

    return TurnType(
        id=id, kind="soft", description=description, wordings=wordings, draw=draw,  # type: ignore[arg-type]
        slots=frozenset([slot] if slot else []), arguments={"words": Text("words of the conversation", max_chars=2_000)},
        needs=lambda conversation: bool(about(conversation).strip()),
    )  # fmt: skip


TYPES: tuple[TurnType, ...] = (
    _soft(
        "dialog:consistent",
        "The text does not contradict the last answer.",
        _said,
        (
            'Stay consistent with your last answer ("{words}").',
            'Do not contradict what you said before ("{words}").',
            'Nothing in your answer may be at odds with your earlier one ("{words}").',
            'Stand by your last answer ("{words}").',
            'Keep to the facts of your previous answer ("{words}").',
            'Your answer should agree with the one before ("{words}").',
            'A reader should find no contradiction to your last answer ("{words}").',
            'Say only what goes together with your earlier words ("{words}").',
        ),
        slot="earlier answer",
    ),
    _soft(
        "dialog:build_on",
        "The text goes on from the last answer instead of beginning anew.",
        _said,
        (
            'Build on your last answer ("{words}") instead of starting over.',
            'Go on from where your last answer ("{words}") stopped.',
            'Take your previous answer ("{words}") one step further.',
            'Let this follow on from what you said before ("{words}").',
            'Deepen your last answer ("{words}").',
            'Add to your previous answer ("{words}") without beginning anew.',
            'Use your last answer ("{words}") as the ground for this one.',
            'Carry on the thought of your earlier answer ("{words}").',
        ),
        slot="earlier answer",
    ),
    _soft(
        "dialog:qualify",
        "The text admits a limit or mistake of the last answer.",
        _said,
        (
            'Admit what your last answer ("{words}") left out or got wrong.',
            'Name a limit of your previous answer ("{words}").',
            'Correct or qualify something in your last answer ("{words}").',
            'Say openly where your earlier answer ("{words}") was not quite right.',
            'Point out a weakness of what you said before ("{words}").',
            'Make clear what your last answer ("{words}") did not consider.',
            'Look critically at your previous answer ("{words}").',
            'Take back or soften one thing in your last answer ("{words}").',
        ),
        slot="earlier answer",
    ),
    _soft(
        "dialog:first_concern",
        "The text serves what the user asked for first.",
        _first,
        (
            'Keep in mind what I asked first ("{words}") and serve that too.',
            'Do not lose sight of my first message ("{words}").',
            'Tie your answer to what I wanted in the beginning ("{words}").',
            'Show how this helps with my first question ("{words}").',
            'Let it be plain that you remember my first message ("{words}").',
            'Answer in the light of what I began with ("{words}").',
            'Come back to my original concern ("{words}").',
            'Relate your answer to my first request ("{words}").',
        ),
        slot="earlier question",
    ),
    _soft(
        "dialog:sum_up",
        "The text begins by summing up the conversation so far.",
        _first,
        (
            'Sum up our conversation, which began with "{words}", in a sentence before you answer.',
            'Begin with a short summary of what we have said since "{words}".',
            'Before you answer, recall briefly how we came here from "{words}".',
            'Start by saying in few words what has been settled since I wrote "{words}".',
            'First give the gist of our talk, which started with "{words}".',
            'Open with one sentence on where we stand since "{words}".',
            'Look back on our conversation (it began with "{words}") before you go on.',
            'Introduce your answer by a brief review of our talk since "{words}".',
        ),
        slot="earlier question",
    ),
    _soft(
        "dialog:tone_of_user",
        "The text answers in the tone of the user's message.",
        _request,
        (
            'Match the tone of my message ("{words}").',
            'Answer in the same tone in which I write ("{words}").',
            'Be as formal or casual as my message is ("{words}").',
            'Mirror the way I speak ("{words}").',
            'Pick up the mood of what I wrote ("{words}").',
            'Let your answer sound like a reply to the tone of "{words}".',
            'Adapt your manner to mine ("{words}").',
            'Write in the register of my message ("{words}").',
        ),
        slot="tone",
    ),
    _soft(
        "dialog:ask_back",
        "The text asks the user a question that would help with the request.",
        _request,
        (
            'Ask me one question back that helps you with "{words}".',
            'Include a question to me about what is unclear in "{words}".',
            'Find out by a question what you still need to know for "{words}".',
            'Ask about the thing that matters most for "{words}".',
            'Show interest by a fitting question about "{words}".',
            'Put one good question to me that "{words}" leaves open.',
            'Check by a question what I mean with "{words}".',
            'Let a question make sure that you have understood "{words}".',
        ),
    ),
    _soft(
        "dialog:in_role",
        "The text is what the system message makes the assistant.",
        _system,
        (
            'Stay in the role that the system message gives you ("{words}").',
            'Answer as the assistant that the system message describes ("{words}").',
            'Do not fall out of the role of the system message ("{words}").',
            'Let it be felt who you are by the system message ("{words}").',
            'Speak as the system message makes you ("{words}").',
            'Your answer should suit your task in the system message ("{words}").',
            'Keep within what the system message is about ("{words}").',
            'Be true to your part in the system message ("{words}").',
        ),
        slot="persona",
    ),
)  # fmt: skip
