"""Rows of a Parquet or JSONL file in, the same rows with added columns out, in bounded memory and in the same order.

The formats go by the suffixes; every column of the input is passed through. JSONL in may go to Parquet out.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.errors import InputError
from ifrl_core.records import Row
from ifrl_core.text.lines import check_shape, lines_of

Chunk = tuple[list[Row], pa.RecordBatch | None]  # rows, and what they were read from when that is Parquet
PARQUET = (".parquet", ".pq")
JSONL = (".jsonl", ".ndjson")
_USUAL = ("prompt", "response", "instruction_id", "instruction_id_list", "constraint", "answer")  # in a header of CSV


def check_paths(source: Path, target: Path) -> None:
    """Whether both are files of a known kind.

    Raises:
        InputError: for an unknown suffix of either, or when `source` is no file.
    """
    for path in (source, target):
        if path.suffix not in (*PARQUET, *JSONL):
            raise InputError(f"{path}: unknown kind of file; expected one of {', '.join((*PARQUET, *JSONL))}")
    if not source.is_file():
        raise InputError(f"{source}: no such file")


def wrong(path: Path, number: int, name: str, problem: str) -> InputError:
    """The error for a bad value: row `number` (from 1, blank lines not counted), field `name`."""
    return InputError(f"{path}: row {number}, field {name!r}: {problem}")


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, or lines of a JSONL file that are not blank."""
    if path.suffix in PARQUET:
        with _opened(path) as file:
            return int(file.metadata.num_rows)
    with path.open("rb") as lines:
        return sum(not line.isspace() for line in lines)


def read_chunks(path: Path, rows: int) -> Iterator[Chunk]:
    """At most `rows` rows at a time.

    Raises:
        InputError: for a file that is not readable Parquet, or a line that is not a JSON object, naming its row.
    """
    if path.suffix in PARQUET:
        with _opened(path) as file:
            for batch in file.iter_batches(batch_size=rows):
                yield batch.to_pylist(), batch
    else:
        for chunk in _jsonl_chunks(path, rows):
            yield chunk, None


class RowWriter:
    """Writes rows with added columns under a temporary name; `close(keep=True)` gives the file its own.

    Columns named in `added` are replaced where the input has them. `types` fixes the Arrow type of an added column, for
    values that do not tell (all of a batch None). `as_text`: columns from JSONL whose shape differs from row to row; in
    Parquet they become JSON text.
    """

    def __init__(
        self, path: Path, added: tuple[str, ...], *, types: dict[str, pa.DataType] | None = None, as_text: str = ""
    ) -> None:
        self._path, self._temporary = path, path.with_name(f".{path.name}.partial")
        self._added, self._types, self._as_text = added, types or {}, as_text
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parquet: pq.ParquetWriter | None = None
        self._lines = None if path.suffix in PARQUET else self._temporary.open("w", encoding="utf-8")

    def write(self, rows: list[Row], added: list[Row], source: pa.RecordBatch | None) -> None:
        """`added[i]` goes beside `rows[i]`; `source` as in `Chunk`.

        Raises:
            InputError: when the rows do not fit Parquet's columns.
        """
        if self._lines is not None:
            for row, more in zip(rows, added, strict=True):
                kept = {name: value for name, value in row.items() if name not in self._added}
                self._lines.write(json.dumps({**kept, **more}, default=str) + "\n")
            return
        try:
            table = pa.Table.from_batches([source]) if source is not None else self._from_rows(rows)
            table = table.drop_columns([name for name in table.column_names if name in self._added])
            for name in dict.fromkeys(name for more in added for name in more):
                table = table.append_column(name, pa.array([more.get(name) for more in added], self._types.get(name)))
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._temporary, table.schema)
            if table.schema != self._parquet.schema:  # pyarrow 25 cannot cast a list of nulls even to its own type
                table = table.cast(self._parquet.schema)
            self._parquet.write_table(table)
        except (pa.ArrowException, UnicodeError, ValueError) as error:
            raise InputError(f"{self._path}: rows do not fit Parquet ({error}); write JSONL instead") from None

    def close(self, *, keep: bool) -> None:
        """End the file; `keep` false: leave none."""
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

    def _from_rows(self, rows: list[Row]) -> pa.Table:
        if self._as_text:
            rows = [{**row, self._as_text: json.dumps(row.get(self._as_text))} for row in rows]
        return pa.Table.from_pylist(rows)


@contextmanager
def written(writer: RowWriter) -> Iterator[RowWriter]:
    """The writer, closed at the end: the file is there only when nothing was raised."""
    complete = False
    try:
        yield writer
        complete = True
    finally:
        writer.close(keep=complete)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Streamed, whatever the row group's size.
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield file
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from None


def _jsonl_chunks(path: Path, rows: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    number = 0
    with path.open("rb") as lines:
        for _, line, problem in lines_of(lines, str(path)):
            if not line.strip():
                continue
            number += 1
            if problem:
                raise InputError(f"{path}: row {number} is not JSON ({problem})")
            if number == 1:
                check_shape(line, str(path), _USUAL)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}: row {number} is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}: row {number} is not a JSON object")
            chunk.append(row)
            if len(chunk) == rows:
                yield chunk
                chunk = []
    if chunk:
        yield chunk
