"""The rows of a benchmark's file: JSONL, a JSON list, a JSON object that holds one, or CSV, plain or gzip, or Parquet; local
or a URL."""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts.files import filesystem
from ifrl_core.errors import InputError
from ifrl_core.records import Row


def documents(path: str, *, inside: str = "") -> list[Row]:
    """The objects of the file, in its order; `inside`: the field of a JSON object that lists them.

    Of a file called *.csv or *.csv.gz, every value is text.

    Raises:
        InputError: when the file cannot be read or is not as expected, naming the line.
    """
    raw = _bytes(path)
    if raw.startswith(b"PAR1"):
        return _table(path, raw)
    text = _text(path, raw)
    start = text.lstrip()[:1]
    if not start:
        raise InputError(f"{path}: the file is empty")
    if path.lower().removesuffix(".gz").endswith(".csv"):
        return _csv(path, text)
    rows = list(_whole(path, text, inside) if start == "[" or (start == "{" and inside) else _lines(path, text))
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path} row {number}: a JSON {type(row).__name__}; expected an object")
    return rows


def field(path: str, number: int, row: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field that has to be there; `number` counts rows from 1.

    Raises:
        InputError: when it is missing or of another kind.
    """
    value = row.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        given = type(value).__name__ if name in row else "missing"
        raise InputError(
            f"{path} row {number}: field {name!r} is {given}; expected {' or '.join(k.__name__ for k in kinds)}"
        )
    return value


def parsed(path: str, number: int, row: Mapping[str, Any], name: str) -> Any:
    """A JSON value, which a table may hold as text.

    Raises:
        InputError: for text that is not JSON.
    """
    value = row.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} row {number}: field {name!r} is not JSON ({error})") from None


def _bytes(path: str) -> bytes:
    try:
        fs, inner = filesystem(path)
        return bytes(fs.cat_file(inner))
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error


def _text(path: str, raw: bytes) -> str:
    try:
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not UTF-8 text, plain or gzip ({error})") from error


def _table(path: str, raw: bytes) -> list[Row]:
    try:
        rows: list[Row] = pq.read_table(pa.BufferReader(raw)).to_pylist()
    except pa.ArrowException as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
    return rows


def _whole(path: str, text: str, inside: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
    rows = document.get(inside) if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise InputError(f"{path}: field {inside!r} is {type(rows).__name__}; expected a list of rows")
    return rows


def _csv(path: str, text: str) -> list[Row]:
    before = csv.field_size_limit(sys.maxsize)  # prompts are longer than csv expects
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not valid CSV ({error})") from error
    finally:
        csv.field_size_limit(before)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise InputError(f"{path} row {number}: more or fewer fields than the header names; quote its values")
    return rows


def _lines(path: str, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path} line {number}: not valid JSON ({error})") from error
