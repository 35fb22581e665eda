"""Rows of tables as records: Parquet, Arrow as `datasets` writes it, and values separated by commas or tabs."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.errors import InputError
from ifrl_core.records import printable
from ifrl_core.seeds.record import Reading, holds_seeds, is_read, missing, reading_of
from ifrl_core.text.lines import lines_of

_EXCERPT = 200
_ROWS_AT_ONCE = 1_024
_LONGEST_VALUE = 10_000_000  # characters; csv's own limit is 131,072


@dataclass(frozen=True)
class Record:
    """One record as read: `line` is its line, row or place in its file, from 1."""

    line: int
    reading: Reading
    excerpt: str


def excerpt(text: str) -> str:
    return printable(text[:_EXCERPT])


def parquet_rows(stream: Any, path: str) -> Iterator[Record]:
    try:
        table = pq.ParquetFile(stream)
        names = _checked(table.schema_arrow.names, path)
        batches = table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(filter(is_read, names)))
        yield from _rows(batches, names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error


def arrow_rows(stream: Any, path: str) -> Iterator[Record]:
    """Of Arrow's stream, which `datasets` writes, or its file."""
    start = stream.read(6)
    stream.seek(0)
    try:
        if start == b"ARROW1":
            table = pa.ipc.open_file(stream)
            batches = map(table.get_batch, range(table.num_record_batches))
        else:
            batches = table = pa.ipc.open_stream(stream)
        yield from _rows(batches, _checked(table.schema.names, path))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Arrow file ({error})") from error


def separated_rows(stream: Any, path: str) -> Iterator[Record]:
    """Of CSV or TSV with a header; a value may go over lines. `line` is the one in which a row ends."""
    problems: list[str] = []
    lines = _Lines(stream, path, problems)
    header = next(lines, "")
    delimiter = max("\t;,", key=header.count)
    csv.field_size_limit(_LONGEST_VALUE)
    try:
        names = _checked(next(csv.reader([header], delimiter=delimiter), []), path)
    except csv.Error as error:
        raise InputError(f"{path}: has no readable header ({error})") from error
    rows = csv.reader(lines, delimiter=delimiter, strict=True)  # else an open quote takes in all rows behind it
    while True:
        problems.clear()
        begun = lines.number + 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(f"row cannot be read ({_why(error, begun, lines.number)})")
            values = []
        if values or problems:
            yield Record(lines.number, _of_values(names, values, problems), excerpt(delimiter.join(values)))


def _why(error: csv.Error, begun: int, ended: int) -> str:
    """What is wrong with a row that goes over these lines."""
    if str(error) != "unexpected end of data":
        return str(error)
    return (
        f"the quotation mark that opens in line {begun} or after it is not closed and takes in all up to line {ended}"
    )


class _Lines:
    """Lines with their ends, for csv; counts them, and notes what is wrong with one."""

    def __init__(self, stream: Any, path: str, problems: list[str]) -> None:
        self._lines, self._problems, self.number = lines_of(stream, path), problems, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.number, line, problem = next(self._lines)
        if problem:
            self._problems.append(problem)
        return f"{line}\n"


def _of_values(names: Sequence[str], values: Sequence[str], problems: Sequence[str]) -> Reading:
    if problems:
        return Reading(None, "", problems[0])
    if len(values) != len(names):
        return Reading(None, "", f"row has {len(values)} values; expected {len(names)}, as the header has")
    return reading_of(dict(zip(names, values, strict=True)))


def _rows(batches: Any, names: Sequence[str]) -> Iterator[Record]:
    line = 0
    unread = [name for name in names if not is_read(name)]
    for batch in batches:
        read = [name for name in batch.schema.names if is_read(name)]
        for row in range(batch.num_rows):
            line += 1
            yield _row(line, {name: batch.column(name)[row] for name in read}, unread)


def _row(line: int, cells: dict[str, pa.Scalar], unread: Sequence[str]) -> Record:
    """A row; of the columns that are `unread`, their names say what kind of record it is."""
    record: dict[str, Any] = dict.fromkeys(unread)
    for name, cell in cells.items():
        try:
            record[name] = cell.as_py()
        except UnicodeDecodeError:
            return Record(line, Reading(None, name, f"field {name!r} is not valid UTF-8; expected UTF-8"), "")
    reading = reading_of(record)
    return Record(line, reading, excerpt(str(reading.value)))


def _checked(names: Sequence[str], path: str) -> Sequence[str]:
    """The columns of a table that can hold seeds.

    Raises:
        InputError: when it cannot.
    """
    if not holds_seeds(dict.fromkeys(names)):
        raise InputError(f"{path}: {missing(dict.fromkeys(names))}")
    return names
