"""What everybody shares: constraints, conversations and instructions as records, and the Parquet columns that stages hand on.

The columns are contracts: additions are fine, removals and renames are a new schema version. `args` of a constraint is JSON
text in a table and a dict in `Constraint`. Null means absent, never zero: `verdict` is null for soft constraints, which no
rule can check.

A conversation is its messages: the list says all that a model is asked, also its tools, which ride on the first one. Seeds
and instructions that are one user's text have no messages; tables without any conversation have no such column, and their
bytes are those of a time before there were conversations (`with_conversations`).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

Kind = Literal["hard", "soft"]
Row = dict[str, Any]  # of a table
Message = dict[str, str]  # {"role": "system" | "user" | "assistant" | "tool", "content": text} and what of TURN it has
REPLACEMENT = "\ufffd"  # what stands for a character that could not be read
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Constraint:
    """One atomic requirement on a response.

    `kind` is "hard" when a rule verifier decides it and "soft" when only a reader can; `text` is the wording that the
    model is shown; `args` are the type's arguments (JSON values), empty for types that take none.
    """

    type: str
    kind: Kind
    text: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """What a model is asked: an optional system message, the history, and last the user's turn that constraints are added to.

    `messages` are as they are stored: `tools` and `tool_calls` are JSON text.
    """

    messages: tuple[Message, ...]

    @property
    def request(self) -> str:
        """The last user turn: the seed's text, in a prompt with its constraints."""
        return self.messages[-1]["content"]

    @property
    def system(self) -> str:
        """The system message; empty when there is none."""
        return self.messages[0]["content"] if self.messages[0]["role"] == "system" else ""

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that may be called: [{"type": "function", "function": {"name", "description", "parameters"}}]."""
        return json.loads(self.messages[0].get("tools") or "[]")  # type: ignore[no-any-return]

    @property
    def history(self) -> tuple[Message, ...]:
        """What was said between the system message and the last user turn."""
        return self.messages[self.messages[0]["role"] == "system" : -1]

    @property
    def user_turns(self) -> list[str]:
        """What the user said, the request last."""
        return [message["content"] for message in self.messages if message["role"] == "user"]

    @property
    def is_plain(self) -> bool:
        """Whether it is one user's text and nothing else."""
        return len(self.messages) == 1 and not self.tools

    def asking(self, text: str) -> list[Message]:
        """The messages with `text` as the last user turn."""
        return [*self.messages[:-1], {**self.messages[-1], "content": text}]


@dataclass(frozen=True)
class Instruction:
    """A seed instruction and its ordered constraints c1..cn; `writer` says who added them (catalog, llm, self).

    `messages` of a conversation: all of it, `seed` is its last user turn; none of a seed that is plain text.
    """

    instruction_id: str
    seed: str
    constraints: tuple[Constraint, ...]
    writer: str
    messages: tuple[Message, ...] = ()

    @property
    def conversation(self) -> Conversation:
        """What is asked without any constraint."""
        return Conversation(self.messages or ({"role": "user", "content": self.seed.strip()},))


CONSTRAINT = pa.struct([("type", pa.string()), ("kind", pa.string()), ("text", pa.string()), ("args", pa.string())])
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
TURN = pa.struct(  # a message of a conversation; null is what it does not have
    [
        ("role", pa.string()),  # system | user | assistant | tool
        ("content", pa.string()),
        ("tools", pa.string()),  # JSON, of the first message: Conversation.tools
        (
            "tool_calls",
            pa.string(),
        ),  # JSON, of the assistant: [{"type": "function", "function": {"name", "arguments"}}]
        ("tool_call_id", pa.string()),  # of a tool's result, where the call has an `id`
        ("name", pa.string()),  # of a tool's result: the tool
    ]
)
_TURNS = pa.field("messages", pa.list_(TURN))

SEEDS = pa.schema([("seed_id", pa.string()), ("seed", pa.string()), ("source", pa.string()), ("split", pa.string())])
REJECTED = pa.schema([("source", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("record", pa.string())])
REJECTED_SEEDS = pa.schema(
    [
        ("seed_id", pa.string()),
        ("seed", pa.string()),
        ("split", pa.string()),  # train | held_out
        ("reason", pa.string()),
        ("raw", pa.string()),  # the writer's last reply as it was
    ]
)
PASS_RATES = pa.schema(
    [("type", pa.string()), ("asked", pa.int64()), ("passed", pa.int64()), ("rate", pa.float64())]  # hard types
)
WEIGHTS = pa.schema([("level", pa.int32()), ("type", pa.string()), ("weight", pa.float64())])
INSTRUCTIONS = pa.schema(
    [
        ("instruction_id", pa.string()),
        ("seed", pa.string()),
        ("constraints", pa.list_(CONSTRAINT)),
        ("writer", pa.string()),
        ("split", pa.string()),  # train | held_out
    ]
)
PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("instruction_id", pa.string()),
        ("level", pa.int32()),
        ("messages", pa.list_(MESSAGE)),
        ("constraints", pa.list_(CONSTRAINT)),  # the first `level` ones
        ("split", pa.string()),  # train | held_out
    ]
)
ROLLOUTS = pa.schema(
    [
        ("rollout_id", pa.string()),
        ("prompt_id", pa.string()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),  # stop | length
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("answer_start", pa.int32()),  # where in `text` the answer begins; at its end where the reasoning never ended
        ("empty", pa.bool_()),  # nothing is left without the reasoning
        ("refusal", pa.bool_()),  # refusals.refuses
    ]
)
LABELS = pa.schema(
    [
        ("label_id", pa.string()),
        ("rollout_id", pa.string()),
        ("constraint", CONSTRAINT),
        ("response", pa.string()),
        ("label", pa.int32()),  # 1 positive, 0 negative
        ("level", pa.int32()),  # k of the constraint ck
        ("split", pa.string()),  # train | validation, by instruction
        ("verdict", pa.bool_()),  # what a rule says; null when soft
        ("instruction_id", pa.string()),
    ]
)


def constraint_row(constraint: Constraint) -> dict[str, str]:
    """A constraint as a value of the CONSTRAINT struct."""
    args = json.dumps(constraint.args, sort_keys=True, ensure_ascii=False)
    return {"type": constraint.type, "kind": constraint.kind, "text": constraint.text, "args": args}


def constraint_of(row: Mapping[str, Any]) -> Constraint:
    """The inverse of `constraint_row`."""
    return Constraint(type=row["type"], kind=row["kind"], text=row["text"], args=json.loads(row["args"]))


def instruction_of(row: Mapping[str, Any]) -> Instruction:
    """An instruction from a row of the instructions table."""
    constraints = tuple(constraint_of(item) for item in row["constraints"])
    messages = messages_of(row.get("messages") or ())
    return Instruction(row["instruction_id"], row["seed"], constraints, row["writer"], messages)


def messages_of(stored: Iterable[Mapping[str, str | None]]) -> tuple[Message, ...]:
    """Messages as a table gives them, without what they do not have."""
    return tuple({name: value for name, value in message.items() if value is not None} for message in stored)


def conversation_of(row: Mapping[str, Any]) -> Conversation:
    """What a row of seeds, instructions or prompts asks; of a prompt with its constraints, of the others without."""
    return Conversation(messages_of(row.get("messages") or ({"role": "user", "content": row["seed"].strip()},)))


def with_history(asked: Conversation, messages: Sequence[Mapping[str, str | None]]) -> Conversation:
    """`asked`, without constraints, with what the assistant says in `messages`, the same turns with constraints in some.

    Rungs of a ladder differ in it where a model has made their histories (rollouts/histories.py). A system message that
    stands before the turns of `asked` may be one that constraints are in.
    """
    said = messages_of(messages)[-len(asked.messages) :]
    turns = zip(asked.messages, said, strict=True)
    return Conversation(tuple(theirs if theirs["role"] == "assistant" else own for own, theirs in turns))


def readable(messages: Iterable[Mapping[str, str | None]]) -> str:
    """Messages for people to read: a user's text alone as it is, else each with who says it, and tools and calls as JSON."""
    said = messages_of(messages)
    if Conversation(said).is_plain:
        return said[0]["content"]
    lines = [f"[tools] {said[0]['tools']}"] if said[0].get("tools") else []
    for message in said:
        if message["content"] or "tool_calls" not in message:
            lines.append(f"[{message['role']}] {message['content']}")
        if "tool_calls" in message:
            lines.append(f"[{message['role']} calls] {message['tool_calls']}")
    return "\n\n".join(lines)


def packed(conversation: Conversation) -> str | None:
    """A conversation as JSON text; None of one that is a user's text and nothing else."""
    return None if conversation.is_plain else json.dumps(conversation.messages, ensure_ascii=False)


def unpacked(text: str | None, seed: str) -> Conversation:
    """The inverse of `packed`; `seed` is its last user turn."""
    return Conversation(tuple(json.loads(text)) if text else ({"role": "user", "content": seed},))


def with_conversations(schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> pa.Schema:
    """`schema` with the column `messages` that the rows, whose conversations have one, take; as it is when none has."""
    stored = (message for row in rows for message in row.get("messages") or ())
    names = {name for message in stored for name, value in message.items() if value is not None}
    if names <= ({"role", "content"} if "messages" in schema.names else set()):
        return schema
    place = schema.get_field_index("messages")
    return schema.set(place, _TURNS) if place >= 0 else schema.append(_TURNS)


def printable(text: str) -> str:
    """Model output without the control characters that HTML forbids; each shows as U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def whole_text(text: str) -> str:
    """A text that can be stored: halves of surrogate pairs, which JSON can spell and UTF-8 cannot, are U+FFFD."""
    return _SURROGATE.sub(REPLACEMENT, text)
