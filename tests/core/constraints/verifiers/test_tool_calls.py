"""Tool calls are read in the usual form and by a tokenizer's own template, whatever stands around them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.verifiers.tool_calls import CLOSE, OPEN, ToolCall, call_text, calls_in

NAMES = st.text("abc_", min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda x: st.lists(x, max_size=2)
)
CALLS = st.lists(st.tuples(NAMES, st.dictionaries(NAMES, VALUES, max_size=3)), max_size=3)
NO_TAGS = st.text(max_size=20).filter(lambda text: "<" not in text)


@settings(max_examples=40, deadline=None)
@given(CALLS, NO_TAGS)
def test_what_is_written_is_read_back(made: list[tuple[str, dict[str, Any]]], prose: str) -> None:
    # JSON text inside of a string may hold the closing tag; that is the one thing that ends a call early.
    found = calls_in(prose + prose.join(call_text(*call) for call in made))
    assert found.calls == tuple(ToolCall(*call) for call in made)
    assert (found.broken, found.before) == (0, prose)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([OPEN, CLOSE, "{", "}", '"name"', ":", '"a"', ",", "[", "]", " x "]), max_size=12))
def test_any_text_has_calls_or_broken_ones_as_often_as_it_opens_one(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = calls_in(text)
    assert found.broken <= text.count(OPEN)
    assert found.none == (OPEN not in text)


@pytest.mark.parametrize(
    ("body", "calls", "broken"),
    [
        ('[{"name": "a", "arguments": {}}, {"name": "b", "arguments": "{\\"x\\": 1}"}]', ["a", "b"], 0),
        ('{"type": "function", "function": {"name": "a", "parameters": {"x": 1}}}', ["a"], 0),
        ('[{"name": "a"}, {"no": 1}]', [], 1),
        ("[]", [], 1),
        ("[" * 100_000, [], 1),
        ('{"name": "a", "arguments": "{"}', [], 1),
        ('{"name": "a", "arguments": {"x": 1, "x": 2}}', [], 1),
        ('{"name": "a", "arguments": "{\\"x\\": 1, \\"x\\": 1}"}', [], 1),
        ('{"name": "a", "name": "b", "arguments": {}}', [], 1),
        ('{"name": "a", "arguments": {"x": NaN}}', [], 1),
        ('{"name": "a", "arguments": {"x": 1}, "parameters": {"x": 2}}', [], 1),
        ('{"name": "a", "arguments": {"x": {"x": 1}, "y": {"x": 2}}}', ["a"], 0),
    ],
)
def test_forms_that_models_write(body: str, calls: list[str], broken: int) -> None:
    found = calls_in(f"Well. {OPEN}{body}{CLOSE} Done.")
    assert ([call.name for call in found.calls], found.broken, found.before) == (calls, broken, "Well. ")
    assert calls_in(f"{OPEN}{body}").broken == broken  # cut off behind a whole call


def test_a_models_own_form_is_read_by_transformers() -> None:
    template = json.dumps(
        {
            "defaults": {"role": "assistant"},
            "start_anchor": "<assistant>",
            "fields": {
                "content": {"content": "text"},
                "tool_calls": {
                    "open": "<call>",
                    "close": "</call>",
                    "repeats": True,
                    "content": "json",
                    "transform": {"type": "function", "function": "{content}"},
                },
            },
        }
    )
    text = f"Look. <call>{json.dumps({'name': 'a', 'arguments': {'x': 1}})}</call>"
    assert calls_in(text, template).calls == (ToolCall("a", {"x": 1}),)
    assert calls_in(text).none
    assert calls_in("<call>{oops</call>", template).broken == 1
    assert calls_in(call_text("a", {"x": 1}), template).calls == (
        ToolCall("a", {"x": 1}),
    )  # as tools offered in words ask
