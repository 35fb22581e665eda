"""What everybody shares: constraints and instructions as records, and the Parquet columns that stages hand on.

The columns are contracts: additions are fine, removals and renames are a new schema version. `args` of a constraint is JSON
text in a table and a dict in `Constraint`. Null means absent, never zero: `verdict` is null for soft constraints, which no
rule can check.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

Kind = Literal["hard", "soft"]
Row = dict[str, Any]  # of a table
Message = dict[str, str]  # {"role": "user" | "assistant" | "system", "content": text}
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
class Instruction:
    """A seed instruction and its ordered constraints c1..cn; `writer` says who added them (catalog, llm, self)."""

    instruction_id: str
    seed: str
    constraints: tuple[Constraint, ...]
    writer: str


CONSTRAINT = pa.struct([("type", pa.string()), ("kind", pa.string()), ("text", pa.string()), ("args", pa.string())])
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])

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
    return Instruction(row["instruction_id"], row["seed"], constraints, row["writer"])


def printable(text: str) -> str:
    """Model output without the control characters that HTML forbids; each shows as U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def whole_text(text: str) -> str:
    """A text that can be stored: halves of surrogate pairs, which JSON can spell and UTF-8 cannot, are U+FFFD."""
    return _SURROGATE.sub(REPLACEMENT, text)
