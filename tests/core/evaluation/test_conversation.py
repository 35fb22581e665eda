"""Conversations of datasets in the one form that all models are asked in."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.conversation import conversation

MERGED, OTHER = "messages of one role merged", "messages of another role asked as the user's"


def said(*messages: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in messages]


@pytest.mark.parametrize(
    ("messages", "asked", "changed"),
    [
        ("Hi", [("user", "Hi")], []),
        (said(("system", "s"), ("user", "a")), [("system", "s"), ("user", "a")], []),
        (said(("user", "a"), ("user", "b"), ("user", "c")), [("user", "a\n\nb\n\nc")], [MERGED]),
        (said(("developer", "s"), ("system", "t"), ("user", "a")), [("system", "s\n\nt"), ("user", "a")], [MERGED]),
        (
            said(("user", "a"), ("assistant", "b"), ("system", "s")),
            [("user", "a"), ("assistant", "b"), ("user", "s")],
            [OTHER],
        ),
        (
            said(("user", "a"), ("assistant", "b"), ("tool", "7")),
            [("user", "a"), ("assistant", "b"), ("user", "7")],
            [OTHER],
        ),
        (
            said(("user", "a"), ("assistant", ""), ("user", "b")),
            [("user", "a\n\nb")],
            ["empty messages left out", MERGED],
        ),
        (said(("user", "")), [("user", "")], []),
        (said(("user", None)), [("user", "")], []),
        (
            said(("user", "a"), ("assistant", "b")),
            [("user", "a")],
            ["last message of the assistant left out"],
        ),
        (
            said(("user", [{"type": "text", "text": "a"}, "b", {"type": "image_url", "image_url": {}}])),
            [("user", "a\nb")],
            ["parts that are no text left out"],
        ),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]},
                {"role": "tool", "tool_call_id": "1", "content": "7"},
            ],
            [("user", "a"), ("assistant", '[{"name": "f"}]'), ("user", "7")],
            [OTHER],
        ),
        (
            [
                {"role": "user", "content": "a"},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "7"},
            ],
            [("user", "a"), ("assistant", '{"name": "f", "arguments": "{}"}'), ("user", "7")],
            [OTHER],
        ),
    ],
)
def test_messages_are_asked_in_one_form(messages: object, asked: list[tuple[str, str]], changed: list[str]) -> None:
    found = conversation(messages, "row 1")
    assert [(message["role"], message["content"]) for message in found.messages] == asked
    assert list(found.changed) == changed


@pytest.mark.parametrize("messages", [None, 7, [], ["a"], said(("assistant", "a")), said(("system", "s"))])
def test_what_nobody_could_answer_is_refused(messages: object) -> None:
    with pytest.raises(InputError, match="row 1"):
        conversation(messages, "row 1")


_odd = st.sampled_from([None, "", "a", 3, True, [], ["a", None], [{"text": "a"}, {"text": 3}, {}], {"text": "a"}, [[]]])
_roles = st.sampled_from(["system", "user", "assistant", "tool", "", None, 3])
_messages = st.fixed_dictionaries({"role": _roles}, optional={"content": _odd, "output": _odd, "tool_calls": _odd})


@settings(max_examples=15, deadline=None)
@given(st.lists(_messages, max_size=6))
def test_any_messages_end_in_turns_or_are_refused(messages: list[dict[str, Any]]) -> None:
    try:
        asked = conversation(messages, "row 1").messages
    except InputError:
        return
    roles = [message["role"] for message in asked if message["role"] != "system"]
    assert "system" not in [message["role"] for message in asked[1:]]
    assert roles[-1] == "user"
    assert all(before != after for before, after in pairwise(roles))
