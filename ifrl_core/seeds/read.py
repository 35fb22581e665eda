"""Seed instructions: reading them from files, and splitting them into train and held-out before anything else happens.

A record is a line of JSONL or text, or a row of Parquet. Each ends as a seed or as a `Rejected` with its reason:

    {"seed": "Explain tides."}     -> SeedText("seed-2b0d…", "Explain tides.", "my.jsonl")
    {"seed": 7}                    -> Rejected("my.jsonl", 2, "field 'seed' is int; expected a text", …)
"""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts.files import filesystem
from ifrl_core.errors import InputError

FIELDS = ("seed", "instruction", "prompt", "text")  # the first one that a record has is its seed
SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".txt")
MAX_CHARACTERS = 8_000
BUILTIN = "builtin"
_EXCERPT = 200
_ROWS_AT_ONCE = 1_024


@dataclass(frozen=True)
class SeedText:
    """A seed before the split. `source` is a file's name (never its path) or "builtin"."""

    seed_id: str
    text: str
    source: str


@dataclass(frozen=True)
class Rejected:
    """A record that is not used: 1-based `line` (row, for Parquet), the reason, and the record's first characters."""

    source: str
    line: int
    reason: str
    record: str


@dataclass(frozen=True)
class _Record:
    """One record as read: its seed in `value`, or why it has none in `problem`."""

    line: int
    value: Any
    field: str
    excerpt: str
    problem: str = ""


def read_seeds(paths: Sequence[str], *, builtin: bool) -> tuple[list[SeedText], list[Rejected]]:
    """Read the built-in seeds if asked for, then those of `paths` (.jsonl, .parquet, .txt; local or any fsspec URL).

    Of records with the same normalised text the first one is kept and the others are rejected as its duplicates. A
    seed's id is made from its normalised text alone, so it depends on no path and no order.

    Raises:
        InputError: when a file is missing, unreadable, of unknown kind, empty or broken in every record (naming the
            first three reasons), or when there is nothing to read at all.
    """
    files = [(BUILTIN, str(resources.files("ifrl_core") / "data" / "seeds.jsonl"))] if builtin else []
    files += zip(_source_names(paths), paths, strict=True)
    if not files:
        raise InputError("no seed instructions: name files under seeds.files, or set seeds.builtin to true")
    seeds: list[SeedText] = []
    rejected: list[Rejected] = []
    first_seen: dict[str, str] = {}
    for source, path in files:
        broken: list[Rejected] = []
        lines = 0
        for record in _records(path):
            lines += 1
            problem = record.problem or _problem(record.value, record.field)
            if problem:
                broken.append(Rejected(source, record.line, problem, record.excerpt))
                continue
            text = record.value.strip()
            same = normalised(text)
            if same in first_seen:
                rejected.append(Rejected(source, record.line, f"duplicate of {first_seen[same]}", record.excerpt))
                continue
            first_seen[same] = f"{source} line {record.line}"
            seeds.append(SeedText(seed_id(text), text, source))
        if not lines:
            raise InputError(f"{path}: the file is empty; expected seed instructions")
        if len(broken) == lines:
            reasons = "; ".join(f"line {reject.line}: {reject.reason}" for reject in broken[:3])
            raise InputError(f"{path}: none of its {lines} records is usable: {reasons}")
        rejected += broken
    return seeds, rejected


def normalised(text: str) -> str:
    """`text` in Unicode normal form C with runs of white space as one space: what makes two seeds the same."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def seed_id(text: str) -> str:
    """Identity of a seed: 64 bits of sha256 over its normalised text (a million seeds collide once in 37 million)."""
    return f"seed-{hashlib.sha256(normalised(text).encode()).hexdigest()[:16]}"


def _source_names(paths: Sequence[str]) -> list[str]:
    """File names, told apart by `#2`, `#3` when several files share one; a path would tie data to a machine."""
    seen: Counter[str] = Counter()
    names = []
    for path in paths:
        name = _pure(path).name
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _pure(path: str) -> PurePosixPath:
    return PurePosixPath(urlsplit(path).path if path.startswith(("http://", "https://")) else path)


def _problem(value: Any, field: str) -> str:
    """Why `value` is no seed; empty when it is one."""
    named = f"field {field!r}" if field else "line"
    if not isinstance(value, str):
        return f"{named} is {'null' if value is None else type(value).__name__}; expected a text"
    if not value.strip():
        return f"{named} is empty; expected a text"
    if len(value) > MAX_CHARACTERS:
        return f"{named} has {len(value):,} characters; expected at most {MAX_CHARACTERS:,}"
    if any("\ud800" <= char <= "\udfff" for char in value):
        return f"{named} holds half of a surrogate pair; expected valid Unicode"
    return ""


def _records(path: str) -> Iterator[_Record]:
    kinds = dict(zip(SUFFIXES, (_json_lines, _json_lines, _parquet_rows, _text_lines), strict=True))
    suffix = _pure(path).suffix.lower()
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


def _text_lines(stream: Any, path: str) -> Iterator[_Record]:
    for number, line, problem in _lines(stream):
        yield _Record(number, line, "", line[:_EXCERPT], problem)


def _json_lines(stream: Any, path: str) -> Iterator[_Record]:
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
                    found = ", ".join(map(repr, list(document)[:8])) or "none"
                    problem = f"no field {', '.join(map(repr, FIELDS))}; found {found}"
        yield _Record(number, value, field, line[:_EXCERPT], problem)


def _parquet_rows(stream: Any, path: str) -> Iterator[_Record]:
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
                    yield _Record(line, None, field, "", f"field {field!r} is not valid UTF-8; expected UTF-8")
                    continue
                yield _Record(line, value, field, str(value)[:_EXCERPT])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
