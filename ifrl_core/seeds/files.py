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

log = logging.getLogger(__name__)

FIELDS = ("seed", "instruction", "prompt", "text")  # the first one that a record has is its seed
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
        raise InputError(f"{path}: unknown kind of file {suffix!r}; expected one of {', '.join(kinds)}")
    try:
        fs, inner = filesystem(path)
        stream = fs.open(inner, "rb")
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    with stream:
        yield from kinds[suffix](stream, path)


def _lines(stream: Any) -> Iterator[tuple[int, str, str]]:
    """(1-based number, text, problem) of each line; a byte order mark and line ends are taken off."""
    for number, raw in enumerate(stream, start=1):
        data = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        try:
            yield number, data.decode().rstrip("\r\n"), ""
        except UnicodeDecodeError as error:
            text = data.decode(errors="replace")
            yield number, text, f"line is not valid UTF-8 at byte {error.start + 1}; expected UTF-8"


def _text_lines(stream: Any, path: str) -> Iterator[Record]:
    for number, line, problem in _lines(stream):
        yield Record(number, line, "", line[:_EXCERPT], problem)


def _json_lines(stream: Any, path: str) -> Iterator[Record]:
    expected = f"expected a JSON object with one of the fields {', '.join(FIELDS)}"
    for number, line, problem in _lines(stream):
        value, field = None, ""
        if not problem and not line.strip():
            problem = f"line is empty; {expected}"
        if not problem:
            try:
                document = json.loads(line)
            except (ValueError, RecursionError) as error:
                problem = f"line is not valid JSON ({error}); {expected}"
            else:
                if not isinstance(document, dict):
                    problem = f"line is a JSON {type(document).__name__}; {expected}"
                elif field := next((name for name in FIELDS if name in document), ""):
                    value = document[field]
                else:
                    names = ", ".join(map(repr, list(document)[:8])) or "none"
                    problem = f"no field {', '.join(map(repr, FIELDS))}; found {names}"
        yield Record(number, value, field, line[:_EXCERPT], problem)


def _parquet_rows(stream: Any, path: str) -> Iterator[Record]:
    try:
        table = pq.ParquetFile(stream)
        columns = table.schema_arrow.names
        field = next((name for name in FIELDS if name in columns), "")
        if not field:
            raise InputError(f"{path}: no column {', '.join(FIELDS)}; found {', '.join(columns) or 'none'}")
        line = 0
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[field]):
            for scalar in batch.column(0):
                line += 1
                try:
                    value = scalar.as_py()
                except UnicodeDecodeError:
                    yield Record(line, None, field, "", f"field {field!r} is not valid UTF-8; expected UTF-8")
                    continue
                yield Record(line, value, field, str(value)[:_EXCERPT])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
