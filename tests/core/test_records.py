"""Conversations as they are stored: none of them costs plain seeds a byte."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.instructions.ladder import rungs
from ifrl_core.records import (
    INSTRUCTIONS,
    PROMPTS,
    Constraint,
    Message,
    conversation_of,
    instruction_of,
    messages_of,
    readable,
    with_conversations,
)

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALLS = json.dumps([{"type": "function", "function": {"name": "weather", "arguments": {}}}])
DIALOG: tuple[Message, ...] = (
    {"role": "system", "content": "Be brief.", "tools": json.dumps(TOOLS)},
    {"role": "user", "content": "How is the weather?"},
    {"role": "assistant", "content": "", "tool_calls": CALLS},
    {"role": "tool", "content": "rain", "name": "weather"},
    {"role": "assistant", "content": "It rains."},
    {"role": "user", "content": "And tomorrow?"},
)


def stored(rows: list[dict[str, Any]], schema: pa.Schema) -> list[dict[str, Any]]:
    """The rows out of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=with_conversations(schema, rows)), buffer)
    back: list[dict[str, Any]] = pq.read_table(buffer).to_pylist()
    return back


def instruction(messages: tuple[Message, ...] | None) -> dict[str, Any]:
    constraint = {"type": "t:a", "kind": "hard", "text": "Use no commas.", "args": "{}"}
    row = {"instruction_id": "i-1", "seed": "And tomorrow?", "constraints": [constraint], "writer": "catalog"}
    return {**row, "split": "train", "messages": messages}


def test_a_conversation_comes_back_as_it_was_stored() -> None:
    plain, dialog = (instruction_of(row) for row in stored([instruction(None), instruction(DIALOG)], INSTRUCTIONS))
    assert (plain.conversation.messages, plain.conversation.is_plain) == (messages_of(DIALOG[-1:]), True)
    asked = dialog.conversation
    assert asked.messages == DIALOG
    assert (asked.system, asked.tools, asked.history) == ("Be brief.", TOOLS, DIALOG[1:5])
    assert (asked.request, asked.user_turns) == ("And tomorrow?", ["How is the weather?", "And tomorrow?"])


def test_constraints_are_added_to_the_last_user_turn() -> None:
    lowest, highest = rungs(instruction_of(instruction(DIALOG)))
    assert tuple(lowest) == DIALOG
    assert highest == [*DIALOG[:5], {"role": "user", "content": "And tomorrow?\n\nUse no commas."}]
    assert conversation_of(stored([{"messages": highest}], PROMPTS)[0]).messages == tuple(highest)


def test_people_read_all_of_a_conversation_and_a_plain_text_as_it_is() -> None:
    assert readable(DIALOG[-1:]) == "And tomorrow?"
    text = readable(DIALOG)
    assert text.startswith(f"[tools] {json.dumps(TOOLS)}\n\n[system] Be brief.\n\n[user] How is")
    assert f"[assistant calls] {CALLS}\n\n[tool] rain\n\n[assistant] It rains." in text


def test_tables_of_plain_seeds_have_the_columns_that_they_had() -> None:
    asked = {"messages": [{"role": "user", "content": "Name a fruit.", "tools": None}]}
    assert with_conversations(INSTRUCTIONS, [instruction(None)]) is INSTRUCTIONS
    assert with_conversations(PROMPTS, [asked]) is PROMPTS
    assert with_conversations(PROMPTS, [{"messages": DIALOG[-2:]}]) is PROMPTS
    assert Constraint("t:a", "hard", "Use no commas.") == instruction_of(instruction(None)).constraints[0]
