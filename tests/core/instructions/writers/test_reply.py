"""Reading replies: whole, fenced, reasoned about, broken, cut off, or nothing of the kind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.instructions.writers.reply import KEYS, Proposal, read_reply

FIVE = {key: {"text": f"Constraint {key} holds.", "type": "free", "args": {}} for key in KEYS}
WHOLE = json.dumps(FIVE)
EXPECTED = [Proposal(f"Constraint {key} holds.", "free", {}) for key in KEYS]


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        f"Here you are:\n```json\n{WHOLE}\n```\nGood luck!",
        f"<think>Perhaps {{c1: no}}?</think>{WHOLE}",
        json.dumps({"constraints": list(FIVE.values())}),
        json.dumps(list(FIVE.values())),
        WHOLE.replace('"}', '",}', 1),
        WHOLE[:-1],
        WHOLE.replace('"', "'"),
    ],
)
def test_five_constraints_are_read_from_every_shape(reply: str) -> None:
    assert read_reply(reply) == EXPECTED


def test_plain_sentences_are_constraints_without_a_type() -> None:
    assert read_reply('{"c1": "Use no commas.", "c2": "Be merry."}') == [
        Proposal("Use no commas."),
        Proposal("Be merry."),
    ]


def test_the_half_sentence_of_a_reply_that_broke_off_is_left_out() -> None:
    cut = WHOLE[: WHOLE.index("Constraint c3") + 12]
    assert read_reply(cut, truncated=True) == EXPECTED[:2]
    assert read_reply(WHOLE, truncated=True) == EXPECTED


@pytest.mark.parametrize(
    "reply", ["", "I cannot do that.", "<think>never ends {}", "{}", "[]", "[[[[", "null", "{" * 50_000]
)
def test_replies_without_constraints_give_none(reply: str) -> None:
    assert read_reply(reply) == []


@given(st.text(max_size=300) | st.text(alphabet='{}[]",:c1 \\\n`', max_size=120), st.booleans())
def test_no_reply_makes_reading_raise(reply: str, truncated: bool) -> None:
    assert len(read_reply(reply, truncated=truncated)) <= len(KEYS)
