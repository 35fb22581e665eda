"""Rule verdicts for a file of responses: Parquet or JSONL in, the same rows with verdicts out, in bounded memory.

Rows name one constraint (`instruction_id`, `kwargs` as JSON) or, as IFEval's own files do, several (`instruction_id_list`
and a list of `kwargs`); both carry `response`. Every other column is passed through. Verdicts are of the answer: what
stands between reasoning tags is cut off first.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.constraints.model import Constraint
from ifrl_core.errors import ConstraintError, InputError
from ifrl_core.verifiers.answer import THINK, ReasoningTags, answer_of
from ifrl_core.verifiers.verdict import strict_and_loose

Row = dict[str, Any]
_BATCH_ROWS = 512
_ADDED = ("strict", "loose", "strict_all", "loose_all")
_PARQUET = (".parquet", ".pq")
_JSONL = (".jsonl", ".ndjson")


@dataclass
class CheckSummary:
    """What a check found. `changed` counts rows whose file already had verdicts, and other ones; None without."""

    rows: int = 0
    constraints: int = 0
    strict: int = 0
    loose: int = 0
    changed: int | None = None
    by_type: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # type -> (constraints, strict, loose)


def _wrong(path: Path, number: int, name: str, problem: str) -> InputError:
    return InputError(f"{path}: row {number}, field {name!r}: {problem}")


def _parsed(path: Path, number: int, name: str, value: Any) -> Any:
    """A JSON value, given as text or already parsed."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise _wrong(path, number, name, f"not JSON ({error})") from None


def _constraints_of(path: Path, number: int, row: Row) -> tuple[list[Constraint], bool]:
    """The constraints of a row, and whether they came as IFEval's lists."""
    listed = row.get("instruction_id_list") is not None
    name = "instruction_id_list" if listed else "instruction_id"
    if row.get(name) is None:
        raise _wrong(path, number, name, "missing; a row needs instruction_id and kwargs, or IFEval's lists of them")
    ids = _parsed(path, number, name, row[name]) if listed else [row[name]]
    kwargs = _parsed(path, number, "kwargs", row.get("kwargs"))
    kwargs = kwargs if listed else [kwargs]
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise _wrong(path, number, name, "expected a string" if not listed else "expected a list of strings")
    if not isinstance(kwargs, list) or len(kwargs) != len(ids):
        raise _wrong(path, number, "kwargs", f"expected a list as long as instruction_id_list ({len(ids)})")
    constraints = []
    for id_, args in zip(ids, kwargs, strict=True):
        args = _parsed(path, number, "kwargs", args)
        if args is not None and not isinstance(args, dict):
            raise _wrong(path, number, "kwargs", f"expected an object of arguments, found {type(args).__name__}")
        constraints.append(Constraint(id_, "hard", "", args or {}))
    return constraints, listed


def check_row(path: Path, number: int, row: Row, tags: ReasoningTags | None = THINK) -> tuple[list[Constraint], Row]:
    """The constraints of a row and the columns to add to it.

    Raises:
        InputError: naming the row (counted from 1) and the field, for a missing or unusable value.
    """
    response = row.get("response")
    if not isinstance(response, str):
        problem = "missing" if response is None else f"expected text, found {type(response).__name__}"
        raise _wrong(path, number, "response", problem)
    constraints, listed = _constraints_of(path, number, row)
    answer = answer_of(response, tags)
    try:
        # Without an answer nothing is satisfied; the arguments are still looked at.
        strict, loose = strict_and_loose(constraints, answer or "")
    except ConstraintError as error:
        raise _wrong(path, number, "kwargs", str(error)) from None
    if not listed:
        return constraints, {"strict": strict[0], "loose": loose[0]}
    return constraints, {"strict": strict, "loose": loose, "strict_all": all(strict), "loose_all": all(loose)}


def _jsonl_batches(path: Path) -> Iterator[list[Row]]:
    batch: list[Row] = []
    number = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            number += 1
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8
                raise InputError(f"{path}: row {number} is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}: row {number} is not a JSON object")
            batch.append(row)
            if len(batch) == _BATCH_ROWS:
                yield batch
                batch = []
    if batch:
        yield batch


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(
            path, buffer_size=1 << 20, pre_buffer=False
        ) as file:  # streamed, whatever the row group's size
            yield from file.iter_batches(batch_size=_BATCH_ROWS)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from None


def _batches(path: Path) -> Iterator[tuple[list[Row], pa.RecordBatch | None]]:
    if path.suffix in _PARQUET:
        for batch in _parquet_batches(path):
            yield batch.to_pylist(), batch
    else:
        for rows in _jsonl_batches(path):
            yield rows, None


class _Writer:
    """Writes rows to Parquet or JSONL, by the suffix, under a temporary name until it is closed."""

    def __init__(self, path: Path) -> None:
        self._path, self._temporary = path, path.with_name(f".{path.name}.partial")
        self._parquet: pq.ParquetWriter | None = None
        self._lines = None if path.suffix in _PARQUET else self._temporary.open("w", encoding="utf-8")

    def write(self, rows: list[Row], added: list[Row], source: pa.RecordBatch | None) -> None:
        if self._lines is not None:
            for row, more in zip(rows, added, strict=True):
                kept = {name: value for name, value in row.items() if name not in _ADDED}
                self._lines.write(json.dumps({**kept, **more}, default=str) + "\n")
            return
        if source is None:  # from JSONL: arguments differ from row to row, so they go into one column as JSON text
            plain = [{**row, "kwargs": json.dumps(row.get("kwargs"))} for row in rows]
            try:
                table = pa.Table.from_pylist(plain)
            except (pa.ArrowException, UnicodeError) as error:
                raise InputError(f"{self._path}: rows do not fit Parquet ({error}); write JSONL instead") from None
        else:
            table = pa.Table.from_batches([source])
        table = table.drop_columns([name for name in table.column_names if name in _ADDED])
        for name in dict.fromkeys(name for more in added for name in more):
            table = table.append_column(name, pa.array([more.get(name) for more in added]))
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._temporary, table.schema)
        self._parquet.write_table(table.cast(self._parquet.schema))

    def close(self, *, keep: bool) -> None:
        if self._lines is not None:
            self._lines.close()
        if self._parquet is not None:
            self._parquet.close()
        elif keep and self._lines is None:
            pq.write_table(pa.table({}), self._temporary)
        if keep:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)


def _count(summary: CheckSummary, constraints: list[Constraint], row: Row, added: Row) -> None:
    listed = isinstance(added["strict"], list)
    strict = added["strict"] if listed else [added["strict"]]
    loose = added["loose"] if listed else [added["loose"]]
    for constraint, s, lo in zip(constraints, strict, loose, strict=True):
        total, strictly, loosely = summary.by_type.get(constraint.type, (0, 0, 0))
        summary.by_type[constraint.type] = (total + 1, strictly + s, loosely + lo)
    summary.rows += 1
    summary.constraints += len(constraints)
    summary.strict += sum(strict)
    summary.loose += sum(loose)
    if row.get("strict") is not None and row.get("loose") is not None:
        differs = (row["strict"], row["loose"]) != (added["strict"], added["loose"])
        summary.changed = (summary.changed or 0) + differs


def check_file(
    path_in: str | Path,
    path_out: str | Path,
    *,
    tags: ReasoningTags | None = THINK,
    progress: Callable[[int], None] | None = None,
) -> CheckSummary:
    """Write the rows of `path_in` with verdicts to `path_out`, in the same order; formats go by the suffixes.

    Columns added: `strict` and `loose` (booleans), or for IFEval's lists lists of booleans and `strict_all`, `loose_all`.
    Verdicts that the file already has are replaced, and the summary counts those that changed. The output appears under
    its name only when it is complete. `progress` is told the number of rows done after each batch.

    Raises:
        InputError: for a missing file, an unknown suffix, or a bad row (naming row and field); no output is left then.
    """
    source, target = Path(path_in), Path(path_out)
    for path in (source, target):
        if path.suffix not in (*_PARQUET, *_JSONL):
            raise InputError(f"{path}: unknown kind of file; expected one of {', '.join((*_PARQUET, *_JSONL))}")
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    target.parent.mkdir(parents=True, exist_ok=True)
    summary, writer, complete = CheckSummary(), _Writer(target), False
    try:
        for rows, batch in _batches(source):
            added = []
            for row in rows:
                constraints, more = check_row(source, summary.rows + 1, row, tags)
                _count(summary, constraints, row, more)
                added.append(more)
            writer.write(rows, added, batch)
            if progress is not None:
                progress(summary.rows)
        complete = True
    finally:
        writer.close(keep=complete)
    return summary
