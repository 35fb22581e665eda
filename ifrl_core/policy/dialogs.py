"""Dialogs as rollouts: the policy answers a conversation turn by turn, and all of its own answers are trained on.

What stands between two of its answers (the end of a turn, the user's next one, what begins an answer) is in the completion
too, as the chat template has it, and masked: the loss is of tokens that the policy wrote. So a completion is a dialog, with
one reward and one advantage.

The completion is the template's rendering of the conversation with these answers in it, which asks of the template that a
conversation with more turns begins as the shorter one does (`parts_of`); one that reasons is refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.inference.prompts import prompt_text
from ifrl_core.records import Message, messages_of
from ifrl_core.rollouts.standing import spoken
from ifrl_core.text.reasoning import Reasoning

_ANSWER = "Yes."  # stands for an answer; what stands between answers is the same after any


@dataclass
class Dialog:
    """Token ids: `parts[k]` stands before answer k, the prompt first; `answers` so far, with their end tokens."""

    parts: list[list[int]]
    answers: list[list[int]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return len(self.answers) == len(self.parts)

    def completion(self, ends: Collection[int]) -> tuple[list[int], list[int]]:
        """Ids behind the prompt, up to the next answer where there is one; and of each 1 if the policy wrote it, else 0.

        A turn that goes on ends as the template has it, which the policy need not have written: it may end otherwise, and the
        token budget may have cut it off."""
        ids: list[int] = []
        own: list[int] = []
        following: list[list[int]] = [*self.parts[1:], []]  # nothing behind the last answer
        for answer, after in zip(self.answers, following, strict=False):
            if after and answer[-1] in ends:
                answer, after = (answer, after[1:]) if answer[-1] == after[0] else (answer[:-1], after)
            ids += answer + after
            own += [1] * len(answer) + [0] * len(after)
        return ids, own

    def asked(self, ends: Collection[int]) -> list[int]:
        """What the next answer goes on from."""
        return self.parts[0] + self.completion(ends)[0]


def parts_of(tokenizer: Any, prompt: Sequence[Message]) -> list[list[int]]:
    """Token ids of what stands before each answer of a prompt that the policy makes; of a prompt of one turn, the prompt.

    Raises:
        InputError: when the chat template does not go on from a conversation as it rendered it.
        ModelError: when it fails.
    """
    messages = [dict(message) for message in messages_of(prompt)]
    places = [*spoken(messages), len(messages)]
    for place in places[:-1]:
        messages[place]["content"] = _ANSWER
    texts = [prompt_text(tokenizer, messages[:place]) for place in places]
    parts = [_ids(tokenizer, texts[0])]
    for before, text in pairwise(texts):
        after = text.removeprefix(before + _ANSWER)
        ids = _ids(tokenizer, after)
        if after == text or not ids or _ids(tokenizer, text)[-len(ids) :] != ids:
            raise InputError(
                "policy.turns all: the model's chat template renders what was said in another way once there are further "
                f"turns (up to {messages[-1]['content'][:60]!r}), so a dialog is no one text to train on: use turns last"
            )
        parts.append(ids)
    return parts


def answers_of(prompt: Sequence[Message]) -> int:
    """How many answers of a prompt the policy makes."""
    return len(spoken(messages_of(prompt))) + 1


def check_no_reasoning(tokenizer: Any, reasoning: Reasoning) -> None:
    """Raises InputError for a model that reasons: of earlier turns everybody reads the answer alone, so that a later one does
    not go on from what the policy wrote."""
    if reasoning.close and (reasoning.always or reasoning.close in str(tokenizer.chat_template)):
        raise InputError(
            f"policy.turns all: the model reasons ({reasoning.open}…{reasoning.close}), and a conversation leaves what it "
            "thought in earlier turns out, so a dialog is no one text to train on: use turns last, or reasoning.format none "
            "for a model that never does"
        )


def completed(prompt: Sequence[Message], answers: Sequence[str]) -> list[Message]:
    """The messages behind what the policy was first asked, with its answers in their places."""
    messages = messages_of(prompt)
    places = [*spoken(messages), len(messages)]
    said = dict(zip(places, answers, strict=True))
    last: Message = {"role": "assistant", "content": answers[-1]}
    return [
        *(
            {**message, "content": said[place]} if place in said else message
            for place, message in enumerate(messages[places[0] :], places[0])
        ),
        last,
    ]


def first_asked(prompt: Sequence[Message], completion: Sequence[Message]) -> list[Message]:
    """What of a prompt the policy did not make itself: the inverse of `completed`."""
    return list(prompt[: len(prompt) - len(completion) + 1])


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
