"""Rows of a Parquet or JSONL file in, the same rows with added columns out, in bounded memory and in the same order.

The formats go by the suffixes; every column of the input is passed through. JSONL, plain or gzip, in may go to Parquet out.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.errors import InputError
from ifrl_core.records import Row
from ifrl_core.text.lines import check_shape, lines_of

Chunk = tuple[list[Row], pa.RecordBatch | None]  # rows, and what they were read from when that is Parquet
PARQUET = (".parquet", ".pq")
JSONL = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_DROPPED_ROWS = 1_024  # at a time
_USUAL = ("prompt", "response", "instruction_id", "instruction_id_list", "constraint", "answer")  # in a header of CSV


def check_paths(source: Path, target: Path) -> None:
    """Whether both are files of a known kind.

    Raises:
        InputError: for an unknown suffix of either, or when `source` is no file.
    """
    for path in (source, target):
        if not is_row_file(path):
            raise InputError(f"{path}: unknown kind of file; expected one of {', '.join((*PARQUET, *JSONL))}")
    if not source.is_file():
        raise InputError(f"{source}: no such file")


def is_row_file(path: Path) -> bool:
    """Whether the name is one of a kind that rows are read from and written to."""
    return path.name.endswith((*PARQUET, *JSONL))


def split_name(path: Path) -> tuple[str, str]:
    """The name of a file of rows without its suffix, and the suffix, of which .gz is a part."""
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    return path.name.removesuffix(suffix), suffix


def wrong(path: Path, number: int, name: str, problem: str) -> InputError:
    """The error for a bad value: row `number` (from 1, blank lines not counted), field `name`."""
    return InputError(f"{path}: row {number}, field {name!r}: {problem}")


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, or lines of a JSONL file that are not blank."""
    if path.suffix in PARQUET:
        with _opened(path) as file:
            return int(file.metadata.num_rows)
    with _bytes_of(path) as lines:
        return sum(not line.isspace() for line in lines)


def has_more_rows(path: Path, rows: int) -> bool:
    """Whether a file has more than so many rows; of JSONL, no more of it is read than that takes."""
    if path.suffix in PARQUET:
        return count_rows(path) > rows
    with _bytes_of(path) as lines:
        return next(islice((line for line in lines if not line.isspace()), rows, None), None) is not None


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
    Parquet they become JSON text, in rows where not all of them are text already. `if_any`: an added column (its type has to
    be fixed) that is there only when a row has it.
    """

    def __init__(
        self,
        path: Path,
        added: tuple[str, ...],
        *,
        types: dict[str, pa.DataType] | None = None,
        as_text: Sequence[str] = (),
        if_any: str = "",
    ) -> None:
        self._path, self._temporary = path, path.with_name(f".{path.name}.partial")
        self._added, self._types, self._as_text = added, types or {}, as_text
        self._if_any, self._any = if_any, False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parquet: pq.ParquetWriter | None = None
        self._lines = None if path.suffix in PARQUET else _text_into(self._temporary, packed=path.suffix == ".gz")

    def write(self, rows: list[Row], added: list[Row], source: pa.RecordBatch | None) -> None:
        """`added[i]` goes beside `rows[i]`; `source` as in `Chunk`.

        Raises:
            InputError: when the rows do not fit Parquet's columns.
        """
        self._any = self._any or any(more.get(self._if_any) is not None for more in added)
        if self._lines is not None:
            for row, more in zip(rows, added, strict=True):
                kept = {name: value for name, value in row.items() if name not in self._added}
                self._lines.write(json.dumps({**kept, **more}, default=str) + "\n")
            return
        try:
            table = pa.Table.from_batches([source]) if source is not None else self._from_rows(rows)
            table = table.drop_columns([name for name in table.column_names if name in self._added])
            for name in dict.fromkeys((*(name for more in added for name in more), *self._types)):
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
        if keep and self._parquet is not None and self._if_any and not self._any:
            _drop_column(self._temporary, self._if_any)
        if keep:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def _from_rows(self, rows: list[Row]) -> pa.Table:
        return pa.Table.from_pylist([{**row, **self._texts(row)} for row in rows] if self._as_text else rows)

    def _texts(self, row: Row) -> Row:
        values = {name: row.get(name) for name in self._as_text}
        if all(isinstance(value, str) for value in values.values()):
            return values
        return {name: json.dumps(value) for name, value in values.items()}


@contextmanager
def written(writer: RowWriter) -> Iterator[RowWriter]:
    """The writer, closed at the end: the file is there only when nothing was raised."""
    complete = False
    try:
        yield writer
        complete = True
    finally:
        writer.close(keep=complete)


def add_columns(
    source: Path,
    writer: RowWriter,
    columns_of: Callable[[int, Row], Row],
    *,
    batch_rows: int,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the rows of `source` with what `columns_of` says of each (its number from 1, the row); the number of rows.

    `limit`: only so many, the first ones. `progress` is told the number of rows done after each batch. Nothing is left when
    `columns_of` raises.
    """
    done = 0
    with written(writer):
        for rows, batch in _first(limit, read_chunks(source, batch_rows)):
            writer.write(rows, [columns_of(number, row) for number, row in enumerate(rows, start=done + 1)], batch)
            done += len(rows)
            if progress is not None:
                progress(done)
    return done


def _first(limit: int | None, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    room = limit
    for rows, batch in chunks:
        yield rows[:room], batch if batch is None or room is None else batch.slice(0, room)
        room = None if room is None else room - len(rows)
        if room is not None and room <= 0:
            return


@contextmanager
def _bytes_of(path: Path) -> Iterator[Any]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file ({error})") from None


def _text_into(path: Path, *, packed: bool) -> IO[str]:
    if not packed:
        return path.open("w", encoding="utf-8")
    return TextIOWrapper(gzip.GzipFile(path, "wb", mtime=0), encoding="utf-8")  # the same rows are the same bytes


def _drop_column(path: Path, name: str) -> None:
    """Of a Parquet file, a batch at a time."""
    kept = path.with_name(f"{path.name}.kept")
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        places = [place for place, other in enumerate(names) if other != name]
        with pq.ParquetWriter(kept, pa.schema([file.schema_arrow.field(place) for place in places])) as writer:
            for batch in file.iter_batches(batch_size=_DROPPED_ROWS):
                writer.write_batch(batch.select(places))
    kept.replace(path)


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
    with _bytes_of(path) as lines:
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
