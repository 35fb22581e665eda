"""IFEval: verifiable instructions, scored per prompt and per instruction, strictly and loosely.

Source: Zhou et al., Instruction-Following Evaluation for Large Language Models (arXiv 2311.07911). Rows are those of
its `input_data.jsonl`; the rules are ours (constraints/verifiers), held to the verdicts of the original in the tests.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ifrl_core.artifacts.files import filesystem
from ifrl_core.constraints.verdict import strict_and_loose, validated
from ifrl_core.errors import ConstraintError, InputError
from ifrl_core.records import Constraint
from ifrl_core.statistics.by_hash import rank_by_hash

_FIELDS = {"key": int, "prompt": str, "instruction_id_list": list, "kwargs": list}


@dataclass(frozen=True)
class IFEvalRow:
    """One prompt and the verifiable instructions it contains; their wording is in the prompt, so `text` is empty."""

    key: int
    prompt: str
    constraints: tuple[Constraint, ...]

    @property
    def instruction_id_list(self) -> list[str]:
        return [constraint.type for constraint in self.constraints]


class RowVerdicts(TypedDict):
    """Verdicts of one answered prompt; `strict[i]` and `loose[i]` belong to instruction `i` of the row."""

    key: int
    strict: list[bool]
    loose: list[bool]


@dataclass(frozen=True)
class IFEvalScore:
    """Shares in [0, 1]: of prompts with all instructions followed, and of instructions followed.

    `unscored` counts prompts without an answer, which are in no share; the shares are None when nothing was answered.
    """

    prompt_strict: float | None
    prompt_loose: float | None
    inst_strict: float | None
    inst_loose: float | None
    per_row: list[RowVerdicts]
    unscored: int


def read_rows(path: str) -> list[IFEvalRow]:
    """Read the benchmark's JSONL (local or any fsspec URL), one row as in `parse_row` a line.

    A benchmark is used whole or not at all, so one bad row is an error.

    Raises:
        InputError: when the file cannot be read, is empty, or a row is not as expected, naming line and field.
    """
    try:
        fs, inner = filesystem(path)
        stream = fs.open(inner, "rb")
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    rows: list[IFEvalRow] = []
    seen: dict[int, int] = {}
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            row = parse_row(_document(line, f"{path} line {number}"), where=f"{path} line {number}")
            if row.key in seen:
                raise InputError(f"{path} line {number}: key {row.key} is also that of line {seen[row.key]}")
            seen[row.key] = number
            rows.append(row)
    if not rows:
        raise InputError(f"{path}: the file is empty; expected IFEval's input_data.jsonl")
    return rows


def parse_row(document: Any, *, where: str = "IFEval row") -> IFEvalRow:
    """A row from `{"key": int, "prompt": str, "instruction_id_list": [str], "kwargs": [{...}]}`.

    Arguments that are null in `kwargs` do not belong to their instruction and are dropped.

    Raises:
        InputError: when a field, an instruction's id or its arguments are not as expected, starting with `where`.
    """
    if not isinstance(document, dict):
        raise InputError(f"{where}: a JSON {type(document).__name__}; expected an object with {', '.join(_FIELDS)}")
    for name, kind in _FIELDS.items():
        value = document.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            found = type(value).__name__ if name in document else "missing"
            raise InputError(f"{where}: field {name!r} is {found}; expected {kind.__name__}")
    ids, kwargs = document["instruction_id_list"], document["kwargs"]
    if not ids or len(ids) != len(kwargs):
        raise InputError(
            f"{where}: {len(ids)} entries in 'instruction_id_list' and {len(kwargs)} in 'kwargs'; "
            "expected as many of one as of the other, and at least one"
        )
    constraints = tuple(
        _constraint(*pair, f"{where}: entry {i}") for i, pair in enumerate(zip(ids, kwargs, strict=True))
    )
    return IFEvalRow(document["key"], document["prompt"], constraints)


def row_document(row: IFEvalRow) -> dict[str, Any]:
    """The JSON object that `parse_row` reads back as `row`."""
    kwargs = [constraint.args for constraint in row.constraints]
    return {"key": row.key, "prompt": row.prompt, "instruction_id_list": row.instruction_id_list, "kwargs": kwargs}


def subset(rows: Sequence[IFEvalRow], n: int) -> list[IFEvalRow]:
    """The `n` rows of lowest sha256 of their key (all when fewer), in the order of `rows`.

    The choice depends on the keys alone, so that every run and machine asks the same prompts, and a larger subset
    holds the smaller one.
    """
    chosen = {row.key for row in sorted(rows, key=lambda row: rank_by_hash(row.key))[:n]}
    return [row for row in rows if row.key in chosen]


def score(rows: Sequence[IFEvalRow], responses: Sequence[str | None]) -> IFEvalScore:
    """Score one response per row, in the same order; None where no answer could be made.

    `prompt_x = (prompts whose verdicts are all true) / (answered prompts)` and
    `inst_x = (true verdicts) / (instructions of answered prompts)`, for x in strict and loose (the paper's metrics).
    An empty answer is an answer, and follows nothing. Reasoning is to be cut off before.
    """
    pairs = list(zip(rows, responses, strict=True))
    per_row: list[RowVerdicts] = []
    for row, response in pairs:
        if response is not None:
            strict, loose = strict_and_loose(row.constraints, response)
            per_row.append(RowVerdicts(key=row.key, strict=strict, loose=loose))
    return IFEvalScore(
        prompt_strict=_share(all(row["strict"]) for row in per_row),
        prompt_loose=_share(all(row["loose"]) for row in per_row),
        inst_strict=_share(verdict for row in per_row for verdict in row["strict"]),
        inst_loose=_share(verdict for row in per_row for verdict in row["loose"]),
        per_row=per_row,
        unscored=len(pairs) - len(per_row),
    )


def _share(verdicts: Iterator[bool]) -> float | None:
    flags = list(verdicts)
    return sum(flags) / len(flags) if flags else None


def _document(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error


def _constraint(type_id: Any, kwargs: Any, where: str) -> Constraint:
    if not isinstance(type_id, str):
        raise InputError(f"{where} of 'instruction_id_list' is {type(type_id).__name__}; expected str")
    if not isinstance(kwargs, dict):
        raise InputError(f"{where} of 'kwargs' is {type(kwargs).__name__}; expected an object")
    args = {name: value for name, value in kwargs.items() if value is not None}
    try:
        validated(type_id, args)
    except ConstraintError as error:
        raise InputError(f"{where}: {error}") from error
    return Constraint(type=type_id, kind="hard", text="", args=args)
