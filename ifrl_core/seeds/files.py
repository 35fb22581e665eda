"""The files that seeds come in: which lie below a folder, and the records of each (JSONL, Parquet, lines of text)."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts.files import filesystem, is_local
from ifrl_core.errors import InputError
from ifrl_core.records import printable
from ifrl_core.seeds.record import FIELDS, is_read, missing, seed_of
from ifrl_core.text.lines import as_lines, check_shape, lines_of

log = logging.getLogger(__name__)

SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".txt")
_EXCERPT = 200
_ROWS_AT_ONCE = 1_024


@dataclass(frozen=True)
class Record:
    """One record as read: its seed in `value`, or why it has none in `problem`."""

    line: int
    value: Any
    field: str
    excerpt: str
    problem: str = ""


def seed_files(location: str) -> tuple[str, ...]:
    """The seed files below a folder or prefix, by path; hidden and empty files and those of other kinds are passed over.

    Raises:
        InputError: when `location` is empty, a local folder that does not exist, or cannot be listed.
    """
    if not location:
        raise InputError("new_seeds is empty: name a folder or an s3:// prefix of JSONL, Parquet or text files")
    fs, base = filesystem(location)
    try:
        if is_local(fs) and not fs.exists(base):
            raise InputError(f"new_seeds {location} does not exist; name a folder, a file or an s3:// prefix")
        details: dict[str, dict[str, object]] = fs.find(base, detail=True)
    except OSError as error:
        raise InputError(f"new_seeds {location} cannot be listed: {error}") from error
    paths, other = [], 0
    for path, detail in sorted(details.items()):
        below = PurePosixPath(path[len(base) :] or PurePosixPath(path).name)
        if any(part.startswith(".") for part in below.parts) or not detail.get("size"):
            continue
        if below.suffix.lower() in SUFFIXES:
            paths.append(path if is_local(fs) else str(fs.unstrip_protocol(path)))
        else:
            other += 1
    if other:
        log.warning("%d files in %s are passed over: seeds are read from %s", other, location, ", ".join(SUFFIXES))
    return tuple(paths)


def path_of(path: str) -> PurePosixPath:
    """The path of a file or of an http URL without its query."""
    return PurePosixPath(urlsplit(path).path if path.startswith(("http://", "https://")) else path)


def records_of(path: str) -> Iterator[Record]:
    """The records of a file, by its suffix.

    Raises:
        InputError: for a file of unknown kind, or one that cannot be opened.
    """
    kinds = dict(zip(SUFFIXES, (_json_lines, _json_lines, _parquet_rows, _text_lines), strict=True))
    suffix = path_of(path).suffix.lower()
    if suffix not in kinds:
        remedy = f". {as_lines(path, '.[]')}" if suffix == ".json" else ""
        raise InputError(f"{path}: unknown kind of file {suffix!r}; expected one of {', '.join(kinds)}{remedy}")
    try:
        fs, inner = filesystem(path)
        stream = fs.open(inner, "rb")
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    with stream:
        yield from kinds[suffix](stream, path)


def _text_lines(stream: Any, path: str) -> Iterator[Record]:
    for number, line, problem in lines_of(stream, path):
        yield Record(number, line, "", _excerpt(line), problem)


def _json_lines(stream: Any, path: str) -> Iterator[Record]:
    begun = False
    for number, line, problem in lines_of(stream, path):
        if not begun and line.strip():
            begun = True
            check_shape(line, path, FIELDS)
        value, field = None, ""
        if not problem:
            document, problem = _document(line)
            if not problem:
                value, field, problem = seed_of(document)
        yield Record(number, value, field, _excerpt(line), problem)


def _document(line: str) -> tuple[dict[str, Any], str]:
    """The object of a line, or why it holds none."""
    expected = f"expected a JSON object with one of the fields {', '.join(FIELDS)}"
    if not line.strip():
        return {}, f"line is empty; {expected}"
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        comma = ", a comma stands behind it" if line.rstrip().endswith("},") else ""
        return {}, f"line is not valid JSON ({error}{comma}); {expected}"
    if not isinstance(document, dict):
        return {}, f"line is a JSON {type(document).__name__}; {expected}"
    return document, ""


def _parquet_rows(stream: Any, path: str) -> Iterator[Record]:
    try:
        table = pq.ParquetFile(stream)
        names = table.schema_arrow.names
        if not set(FIELDS) & set(names):
            raise InputError(f"{path}: {missing(dict.fromkeys(names))}")
        columns = [name for name in names if is_read(name)]
        line = 0
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
            for row in range(batch.num_rows):
                line += 1
                yield _row(line, {name: batch.column(name)[row] for name in batch.schema.names})
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error


def _row(line: int, cells: dict[str, pa.Scalar]) -> Record:
    record = {}
    for name, cell in cells.items():
        try:
            record[name] = cell.as_py()
        except UnicodeDecodeError:
            return Record(line, None, name, "", f"field {name!r} is not valid UTF-8; expected UTF-8")
    value, field, problem = seed_of(record)
    return Record(line, value, field, _excerpt(str(value)), problem)


def _excerpt(text: str) -> str:
    return printable(text[:_EXCERPT])
