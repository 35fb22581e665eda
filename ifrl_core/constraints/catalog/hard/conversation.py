"""Hard types on what was said before: rules to hold, formats to keep, words to quote or not to repeat, small edits, plans.

Turns are called what the user calls them: "my second message"; the last one, which constraints are added to, is not named.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.constraints.catalog.hard import ifeval_format, ifeval_words, patterns
from ifrl_core.constraints.catalog.hard.conversation_rules import (
    MOST_WORDS,
    NUMBER,
    RULES,
    codes_in,
    form_of,
    long_words,
    lower_words,
    mentions,
    standing,
    turn_text,
)
from ifrl_core.constraints.turn_types import TurnDraft, TurnDraw, TurnType, hard_in_turn
from ifrl_core.constraints.types import LINE_SLOTS, Args, counted, shown
from ifrl_core.constraints.verifiers.turn import answers_of
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import folded, words_of
from ifrl_core.constraints.vocabulary import ORDINALS, some_words
from ifrl_core.constraints.witness.draft import Item
from ifrl_core.records import Constraint, Conversation

_WITNESSES = {type_.id: type_.witness for type_ in (*ifeval_words.TYPES, *ifeval_format.TYPES, *patterns.TYPES)}
_OPENERS = ("Certainly", "Yes", "Sure", "Indeed", "Well", "Right", "Now", "First", "Gladly", "Again")
_TEXT_VALUE = "lake"  # of the least JSON
_LEAST_WORDS = 20  # of an answer that is to be changed a little, or made shorter
_CHANGED = 8  # words that a small edit leaves room for at least


def _object(**properties: Mapping[str, Any]) -> str:
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return json.dumps(schema)


_TEXT = {"type": "string"}
_SCHEMAS = (
    _object(answer=_TEXT, confidence={"type": "number", "minimum": 0, "maximum": 1}),
    _object(title=_TEXT, summary=_TEXT),
    _object(answer=_TEXT, tags={"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 5}),
    _object(summary=_TEXT, minutes={"type": "integer", "minimum": 1}),
    _object(reply=_TEXT, mood={"type": "string", "enum": ["calm", "glad", "worried"]}),
    _object(advice=_TEXT, urgent={"type": "boolean"}),
)
_GOES_WITH_JSON = ("keywords:existence", "keywords:forbidden_words", "length_constraints:number_words",
                   "conversation:no_repetition", "conversation:first_turn", "conversation:number_said")  # fmt: skip


def _with_turn(args: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a wording; `turn` is the message as the user calls it."""
    number = args["turn_number"]
    named = f"my {ORDINALS[number - 1]} message" if 0 < number <= len(ORDINALS) else f"my message number {number}"
    turn = named if number else "the system message"
    return {**shown(args), "turn": turn}


def _turns_that(conversation: Conversation, said: Any, first: int = 1) -> list[int]:
    """Numbers of the turns before the last one of which `said(conversation, number)` holds."""
    last = min(len(conversation.user_turns), len(ORDINALS) + 1)
    return [number for number in range(first, last) if said(conversation, number)]


def _last_answer(conversation: Conversation) -> str:
    return (answers_of(conversation) or [""])[-1]


def _words_in(conversation: Conversation, number: int) -> bool:
    return len(lower_words(turn_text(conversation, number))) >= 4


def _has_number(conversation: Conversation, number: int) -> bool:
    return len(set(NUMBER.findall(turn_text(conversation, number)))) == 1


def _own_long_words(conversation: Conversation) -> list[str]:
    """Longer words of the first turn that the last one does not have."""
    last = set(lower_words(conversation.request))
    return [word for word in long_words(turn_text(conversation, 1)) if word not in last]


def _long_enough(conversation: Conversation) -> bool:
    return len(words_of(_last_answer(conversation))) >= _LEAST_WORDS


def _editable(conversation: Conversation) -> bool:
    return _LEAST_WORDS <= len(words_of(_last_answer(conversation))) <= MOST_WORDS


def _has_history(conversation: Conversation) -> bool:
    return len(conversation.user_turns) > 1


def _draw_quote(draw: TurnDraw) -> Args:
    turn = draw.rng.choice(_turns_that(draw.conversation, _words_in))
    words = len(lower_words(turn_text(draw.conversation, turn)))
    return {"turn_number": turn, "words": draw.upto(3, min(6, words))}


def _draw_edit(draw: TurnDraw) -> Args:
    words = len(words_of(_last_answer(draw.conversation)))
    least = -(-100 * _CHANGED // words)
    return {"percent": min(50, draw.upto(least, least + 15))}


def _draw_if(draw: TurnDraw) -> Args:
    first, second = draw.rng.sample(_OPENERS, 2)
    return {"word": drawn_word(draw), "then": first, "otherwise": second}


def drawn_word(draw: TurnDraw) -> str:
    """A word that the user has mentioned before, or as often one that he has not."""
    said = [word for text in draw.conversation.user_turns[:-1] for word in long_words(text)]
    if said and draw.rng.random() < 0.5:
        return draw.rng.choice(said)
    others = some_words(draw.rng, "", 8, own_share=0.0)
    return next((word for word in others if not mentions(draw.conversation, word)), others[0])


def _hold(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    for rule, of_rule in standing(draft.conversation, args["turn_number"]):
        if (witness := _WITNESSES.get(rule)) is not None:
            witness(draft, of_rule)


def _same_format(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    form = form_of(View(_last_answer(draft.conversation)))
    draft.json = draft.json or form == "json"
    if form in ("bullets", "numbers"):
        draft.items += [Item("* ")] * 2 if form == "bullets" else [Item("1. "), Item("2. ")]


def _nothing(draft: TurnDraft, args: Args) -> None:
    """Plain sentences are none of what was said."""


def _old_words(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.phrases += long_words(turn_text(draft.conversation, 1))[: args["count"]]


def _quoted(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    words = words_of(folded(turn_text(draft.conversation, args["turn_number"])))[: args["words"]]
    draft.phrases.append(f'"{" ".join(words)}"')


def _edited(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.wrap = (f"{_last_answer(draft.conversation)} ", "")


def _shortened(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.no_more_words_than(args["percent"] * len(words_of(_last_answer(draft.conversation))) // 100)


def _with_codes(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.phrases += codes_in(draft.conversation.system)


def _with_number(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.phrases += NUMBER.findall(turn_text(draft.conversation, args["turn_number"]))[:1]


def _opened(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    draft.opener = args["then" if mentions(draft.conversation, args["word"]) else "otherwise"]


def _planned(draft: TurnDraft, args: Args) -> None:
    draft.items.append(Item("1. "))


def _as_json(draft: TurnDraft, args: Args) -> None:
    """The text is the first of the texts that the schema asks for."""
    found = example_of(json.loads(args["schema"]))
    before, _, after = json.dumps(found, ensure_ascii=False).partition(json.dumps(_TEXT_VALUE))
    draft.wrap = (f'{before}"', f'"{after}')


def example_of(schema: Mapping[str, Any]) -> Any:
    """The least value of a usual schema."""
    if not isinstance(schema, Mapping):  # true: any value
        return _TEXT_VALUE
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: example_of(properties.get(name) or {}) for name in schema.get("required") or ()}
    if kind == "array":
        return [example_of(schema.get("items") or {})] * int(schema.get("minItems") or 1)
    numbers: Sequence[Any] = (schema.get("minimum"), schema.get("maximum"), 1)
    number = next(value for value in numbers if value is not None)
    return {"integer": number, "number": number, "boolean": True, "null": None}.get(kind, _TEXT_VALUE)


def _style_stays(args: Args, other: Constraint) -> bool:
    """Whether another constraint would change all of a text of which little may change."""
    return other.kind == "soft" or other.type in ("conversation:no_repetition", "conversation:shorter")


def _json_alone(args: Args, other: Constraint) -> bool:
    return other.kind == "hard" and other.type not in _GOES_WITH_JSON


TYPES: tuple[TurnType, ...] = (
    hard_in_turn(
        "conversation:hold_rule",
        "A rule for all answers, given in the system message or an earlier turn, is kept.",
        RULES["conversation:hold_rule"],
        (
            "Keep to the rule for your answers that {turn} gives.",
            "Do not forget the rule of {turn} about how you answer.",
            "What {turn} says about all of your answers still holds.",
            "Answer in the way that {turn} asks for.",
            "The rule in {turn} applies to this answer too.",
            "Your answer must keep the rule that was set in {turn}.",
        ),
        draw=lambda draw: {"turn_number": draw.rng.choice(_turns_that(draw.conversation, standing, 0))},
        fields=_with_turn,
        needs=lambda conversation: bool(_turns_that(conversation, standing, 0)),
        witness=_hold,
    ),
    hard_in_turn(
        "conversation:keep_format",
        "The answer has the format of the last one: bullet points, a numbered list, or JSON.",
        RULES["conversation:keep_format"],
        (
            "Keep the format of your last answer.",
            "Use the same format as in your previous answer.",
            "Let your answer look like the one before: the same kind of list or notation.",
            "Answer in the format that you used before.",
            "Stay with the format of your last message.",
            "The format must be that of your previous answer.",
        ),
        needs=lambda conversation: bool(form_of(View(_last_answer(conversation)))),
        slots=("list",),
        witness=_same_format,
    ),
    hard_in_turn(
        "conversation:no_repetition",
        "No run of a given number of words stands in an earlier answer.",
        RULES["conversation:no_repetition"],
        (
            "Do not repeat yourself: no {words} words in a row may be those of an earlier answer of yours.",
            "Say nothing twice; no run of {words} words may come from your earlier answers.",
            "Put everything in other words than before, with no {words} words in a row as in your earlier answers.",
            "Avoid any {words} words in a row that you have already written.",
            "No {words} consecutive words of your earlier answers may come back.",
            "Use fresh wording: {words} words in a row from an earlier answer are too many.",
        ),
        draw=lambda draw: {"words": draw.upto(5, 8)},
        needs=lambda conversation: len(words_of(_last_answer(conversation))) >= 8,
        witness=_nothing,
    ),
    hard_in_turn(
        "conversation:first_turn",
        "The answer uses longer words (five letters or more) of the user's first message.",
        RULES["conversation:first_turn"],
        (
            "Refer back to my first message with at least {count} of its words of five letters or more.",
            "Take up my first message: use {count} or more of its longer words (five letters at least).",
            "Connect your answer to my first message by at least {count} of its words that have five letters or more.",
            "At least {count} of the words of five or more letters in my first message must appear again.",
            "Come back to what I asked first, using {count} or more of its words with at least five letters.",
            "Bring in at least {count} words of five letters or more from my first message.",
        ),
        draw=lambda draw: {"count": draw.upto(1, min(3, len(_own_long_words(draw.conversation))))},
        needs=lambda conversation: _has_history(conversation) and len(_own_long_words(conversation)) >= 2,
        slots=("keywords",),
        min_words=15,
        witness=_old_words,
    ),
    hard_in_turn(
        "conversation:quote_turn",
        "The answer quotes words of an earlier user turn, in quotation marks.",
        RULES["conversation:quote_turn"],
        (
            "Quote at least {words} words in a row from {turn}, in quotation marks.",
            "Put {words} or more consecutive words of {turn} in quotation marks.",
            "Cite {turn} literally: {words} words in a row at least, within quotation marks.",
            "Use a quotation (in quotation marks) of at least {words} words from {turn}.",
            "Repeat at least {words} words of {turn} as a quotation, between quotation marks.",
            "Somewhere give a literal quotation of {words} words or more from {turn}, in quotation marks.",
        ),
        draw=_draw_quote,
        fields=_with_turn,
        needs=lambda conversation: bool(_turns_that(conversation, _words_in)),
        slots=("quotation",),
        min_words=15,
        witness=_quoted,
    ),
    hard_in_turn(
        "conversation:small_edit",
        "The answer is the last one with few words changed.",
        RULES["conversation:small_edit"],
        (
            "Change only what I ask for: give your last answer again with at most {percent} percent of its words changed.",
            "Repeat your last answer and edit no more than {percent} percent of its words.",
            "Keep your previous answer as it is, but for changes to at most {percent} percent of its words.",
            "Rework your last answer in as few places as you can: {percent} percent of its words at most.",
            "Leave your last answer alone where I ask for nothing; at most {percent} percent of its words may change.",
            "Edit your previous answer lightly, touching no more than {percent} percent of its words.",
        ),
        draw=_draw_edit,
        needs=_editable,
        slots=("whole", "verbatim", "length", *LINE_SLOTS),
        excludes=_style_stays,
        min_words=30,
        witness=_edited,
    ),
    hard_in_turn(
        "conversation:shorter",
        "The answer has at most a share of the words of the last one.",
        RULES["conversation:shorter"],
        (
            "Be shorter than before: at most {percent} percent of the words of your last answer.",
            "Use no more than {percent} percent as many words as in your previous answer.",
            "Your answer may have {percent} percent of the words of your last one at most.",
            "Keep it to {percent} percent of the length of your last answer in words, or less.",
            "Cut down: this answer has at most {percent} percent of the words of the one before.",
            "Write at most {percent} percent of the number of words that you wrote last time.",
        ),
        draw=lambda draw: {"percent": 5 * draw.upto(8, 16)},
        needs=_long_enough,
        slots=("length",),
        witness=_shortened,
    ),
    hard_in_turn(
        "conversation:reference_code",
        "The answer gives the codes (such as HB-2041) of the system message, and no other code.",
        RULES["conversation:reference_code"],
        (
            "Give every reference code of the system message, and no other code.",
            "State the code that the system message names; do not make one up.",
            "Your answer must contain the reference code from the system message and no other.",
            "Name the code (or codes) of the policy in the system message exactly, and no further one.",
            "Cite the reference code that the system message gives, exactly as it stands there.",
            "Do not leave out the code of the system message, and invent none.",
        ),
        needs=lambda conversation: 1 <= len(codes_in(conversation.system)) <= 3,
        witness=_with_codes,
    ),
    hard_in_turn(
        "conversation:number_said",
        "The answer repeats the number that an earlier user turn named.",
        RULES["conversation:number_said"],
        (
            "Repeat, in digits, the number that I gave in {turn}.",
            "Mention the number from {turn}, in digits.",
            "Your answer has to state the number in {turn} again (in digits).",
            "Include in digits the number that {turn} contains.",
            "Come back to the number that I named in {turn}, written in digits.",
            "Write in digits the number that stands in {turn}.",
        ),
        draw=lambda draw: {"turn_number": draw.rng.choice(_turns_that(draw.conversation, _has_number))},
        fields=_with_turn,
        needs=lambda conversation: bool(_turns_that(conversation, _has_number)),
        slots=("numbers",),
        witness=_with_number,
    ),
    hard_in_turn(
        "conversation:if_mentioned",
        "The first word depends on whether the user has mentioned a given word before.",
        RULES["conversation:if_mentioned"],
        (
            'If an earlier message of mine mentions "{word}", begin with "{then}"; if none does, begin with "{otherwise}".',
            'Start with "{then}" if I have used the word "{word}" in an earlier message, and with "{otherwise}" if not.',
            'Let your first word be "{then}" when my earlier messages mention "{word}", and "{otherwise}" if they do not.',
            'Have I written "{word}" in an earlier message, open with "{then}"; otherwise open with "{otherwise}".',
            'Your first word is "{then}" if "{word}" stands in an earlier message of mine, else "{otherwise}".',
            'In case an earlier message of mine has the word "{word}", start with "{then}"; else with "{otherwise}".',
        ),
        draw=_draw_if,
        needs=_has_history,
        slots=("start",),
        witness=_opened,
    ),
    hard_in_turn(
        "conversation:plan_steps",
        "The answer is a plan in numbered steps, no more than a given number.",
        RULES["conversation:plan_steps"],
        (
            "Give a plan in numbered steps (1., 2., ...), {steps} at most.",
            "Answer with a numbered plan of no more than {steps}.",
            "Write down the plan as a numbered list of at most {steps}.",
            "Plan it in {steps} or fewer, each on a line of its own with its number (1., 2., ...).",
            "Number the steps of your plan (1., 2., ...); there may be {steps} at most.",
            "Lay out numbered steps, one a line, and not more than {steps}.",
        ),
        draw=lambda draw: {"most": draw.upto(2, min(6, draw.max_words // 8))},
        fields=lambda args: {"steps": counted(args["most"], "step")},
        slots=("list",),
        min_words=16,
        witness=_planned,
    ),
    hard_in_turn(
        "conversation:json_schema",
        "The answer is JSON that fits a given schema, and nothing else.",
        RULES["conversation:json_schema"],
        (
            "Answer with nothing but JSON that fits this schema: {schema}",
            "Your whole answer must be a JSON object of this JSON schema: {schema}",
            "Give the answer as JSON, valid under the schema {schema}",
            "Return only JSON; it has to validate against {schema}",
            "Write one JSON object and no other text. Its schema: {schema}",
            "Use this JSON schema for the answer, and add no text around it: {schema}",
        ),
        draw=lambda draw: {"schema": draw.rng.choice(_SCHEMAS)},
        slots=("whole", "start", "end", "wrap", *LINE_SLOTS),
        excludes=_json_alone,
        witness=_as_json,
    ),
)  # fmt: skip
