"""The records everything else is built from: a constraint, and a seed instruction that carries constraints."""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["hard", "soft"]
Message = dict[str, str]  # {"role": "user" | "assistant" | "system", "content": text}


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
