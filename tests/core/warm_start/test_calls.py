"""Calls that rules build: they meet what is asked, and say what the user said."""

import json
from typing import Any

import pytest

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.constraints.verifiers.tool_calls import ToolCall
from ifrl_core.models.chat_form import call_as_text
from ifrl_core.records import Constraint, Conversation
from ifrl_core.warm_start.calls import calling
from ifrl_core.warm_start.values import Said

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": "x", "parameters": parameters}}


TOOLS = [tool("find_train", start=TEXT, goal=TEXT, hour=WHOLE), tool("weather", town=TEXT)]


def conversation(request: str, *earlier: dict[str, Any]) -> Conversation:
    messages = [*earlier, {"role": "user", "content": request}]
    return Conversation(({**messages[0], "tools": json.dumps(TOOLS)}, *messages[1:]))


def written(text: str, calls: list[ToolCall]) -> str:
    said = [call_as_text(json.dumps(call.name), json.dumps(dict(call.arguments))) for call in calls]
    return "\n".join([text, *said] if text else said)


CALLED = [
    {"role": "user", "content": "Is there a boat?"},
    {"role": "assistant", "content": "", "tool_calls": '[{"function": {"name": "x", "arguments": {"boat": "Gull"}}}]'},
    {"role": "tool", "content": '[{"boat": "Heron", "pier": 4}]'},
    {"role": "assistant", "content": "Yes."},
]


@pytest.mark.parametrize(
    ("request_", "name", "schema", "value"),
    [
        ("Trains from Leeds to New York?", "start", TEXT, "Leeds"),
        ("Play “Let It Go” for Anna.", "title", TEXT, "Let It Go"),
        ("It is too dark.", "boat", TEXT, "Heron"),  # the last that a tool said
        ("It is too bright in the bedroom.", "room", TEXT, "bright"),
        ("Send 80 of that.", "amount", {"type": "number"}, 80),
        ("Send it.", "pier", WHOLE, 4),
        ("Send it.", "amount", WHOLE, None),
        ("It rains, so lock the back door.", "door", {"enum": ["front", "back"]}, "back"),
        ("Lock it.", "door", {"enum": ["front", "back"]}, "front"),
        ("Switch the light off.", "on", {"type": "boolean"}, False),
        ("Switch the light on.", "on", {"type": "boolean"}, True),
        ("What can I cook with Leeks?", "things", {"type": "array", "items": TEXT}, ["Leeks"]),
        ("Go to Leeds.", "place", {"type": "object", "properties": {"town": TEXT}, "required": ["town"]}, {"town": "Leeds"}),
    ],
)  # fmt: skip
def test_a_value_is_what_was_said(request_: str, name: str, schema: dict[str, Any], value: Any) -> None:
    assert Said(conversation(request_, *CALLED)).value(name, schema) == value


def test_each_name_is_said_once() -> None:
    said = Said(conversation("When is the next train from Leeds to York, after 9?"))
    assert [said.value(name, TEXT) for name in ("start", "goal")] == ["Leeds", "York"]


def rule(kind: str, **args: Any) -> Constraint:
    return Constraint(f"tools:{kind}", "hard", "x", args)


ASKED = conversation("When is the next train from Leeds to York after 9?")


@pytest.mark.parametrize(
    ("rules", "called"),
    [
        ([rule("call", tool="weather")], ["weather"]),
        ([rule("arguments", tool="find_train", arguments=["start", "goal", "hour"])], ["find_train"]),
        ([rule("own_words", tool="find_train", argument="goal"), rule("listed_only", most=2)], ["find_train"]),
        ([rule("text_first", most=1)], ["find_train"]),
        ([rule("order", first="weather", second="find_train")], ["weather", "find_train"]),
        ([rule("none")], None),
    ],
)  # fmt: skip
def test_a_call_meets_what_is_asked(rules: list[Constraint], called: list[str] | None) -> None:
    assert {item.type for item in rules} <= CATALOG.keys()
    answer = calling(rules, ASKED, written, "")
    if called is None:
        assert answer is None
        return
    assert answer is not None
    assert all(verdicts_in(ASKED, rules, answer))
    names = [json.loads(part.partition("</tool_call>")[0])["name"] for part in answer.split("<tool_call>")[1:]]
    assert names == called
    assert "Leeds" in answer
