"""Constraints over the turns of a dialog: where they stand, what the model's own answers keep, and before against after."""

from typing import Any

import pytest

from ifrl_core.evaluation.dialogs import compared_over_turns, over_turns
from ifrl_core.evaluation.held_out import answers_schema, scored_answers
from ifrl_core.inference import Completion
from ifrl_core.records import Constraint, Conversation, Message, constraint_row
from ifrl_core.rollouts.standing import kept_before
from ifrl_core.text.reasoning import THINK

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
SYSTEM = "This holds for all of your answers: Use no commas."


RULE = "conversation:hold_rule"


def held(turn: int) -> Constraint:
    return Constraint(RULE, "hard", "Hold the rule.", {"turn_number": turn})


def dialog(*said: str, second: str = "And low?") -> tuple[Message, ...]:
    asked = ("High water?", second, "Thanks?")
    turns = [
        message
        for user, answer in zip(asked, said, strict=False)
        for message in ({"role": "user", "content": user}, {"role": "assistant", "content": answer})
    ]
    return (*turns, {"role": "user", "content": "Good. Use no colons."})  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("constraint", "system", "second", "kept"),
    [
        (NO_COMMA, SYSTEM, "And low?", [True, False]),
        (NO_COMMA, "", "And low? Use no commas.", [False]),
        (NO_COMMA, "", "And low?", []),
        (Constraint("punctuation:no_colon", "hard", "Use no colons."), "", "And low?", []),  # stands last
        (held(0), "Always answer in lowercase letters.", "And low?", [False, True]),
        (held(1), "Always answer in lowercase letters.", "And low?", []),  # gives no rule
        (Constraint("tone:calm", "soft", "Use no commas."), SYSTEM, "And low?", []),
        (Constraint("conversation:no_repetition", "hard", "Use no commas.", {"words": 3}), SYSTEM, "And low?", []),
    ],
)
def test_an_answer_is_held_to_what_stood_before_it(
    constraint: Constraint, system: str, second: str, kept: list[bool]
) -> None:
    messages = dialog("At Six.", "at nine, roughly.", second=second)
    first: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    rung = {"messages": [*first, *messages], "constraints": [constraint_row(constraint)]}
    asked = (*first, *messages) if constraint.type == RULE else messages  # a system message that constraints brought
    assert kept_before(Conversation(asked), rung) == [kept]


def answered(text: str, kept: list[list[bool]] | None, name: str = "i") -> dict[str, Any]:
    messages = dialog("At six.")
    row = {
        "prompt_id": name, "instruction_id": name, "level": 1, "sample": 0, "messages": messages, "seed": "Good.",
        "constraints": [constraint_row(NO_COMMA)], "conversation": Conversation(messages),
    }  # fmt: skip
    row |= {"kept": kept} if kept is not None else {}
    [made] = scored_answers([row], [Completion(text, "stop", 1, 1)], None, THINK)
    return made


def test_figures_are_of_the_last_answer_of_all_and_of_whole_dialogs() -> None:
    given, last = answered("It is good.", None), answered("It is good.", [[]])
    assert "kept" not in given
    assert over_turns([given, last]) == compared_over_turns([given], [given]) == {}
    before = [answered("It is good.", [[False, True]]), answered("Yes, it is.", [[True]], "j"), given, last]
    after = [answered("It is good.", [[True, True]]), answered("Yes it is.", [[False]], "j"), last, given]
    assert over_turns(before) == {"over_turns": {"last": 0.5, "turns": pytest.approx(7 / 12), "dialog": 0.0, "n": 2}}
    found = compared_over_turns(before, after)["over_turns"]
    assert {name: (row["before"], row["after"], row["n"]) for name, row in found.items()} == {
        "last": (50.0, 100.0, 2),
        "turns": (pytest.approx(700 / 12), 75.0, 2),
        "dialog": (0.0, 50.0, 2),
    }
    assert "kept" in answers_schema(before).names
    assert "kept" not in answers_schema([given]).names
