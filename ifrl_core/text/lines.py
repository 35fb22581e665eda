"""Lines of a text file, whatever its line ends and byte order mark, and whether they can be JSON lines.

Files that are no text, and text that is one JSON document or a table, are refused with what to do about it.
"""

import codecs
import io
import json
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any

from ifrl_core.errors import InputError

_PACKED = {  # first bytes -> what the file is
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_WIDE = {  # byte order mark -> encoding; UTF-32's little-endian mark begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARK = "\ufeff"


def lines_of(stream: Any, path: str) -> Iterator[tuple[int, str, str]]:
    """(1-based number, text, problem) of each line; byte order marks and line ends are taken off.

    Raises:
        InputError: when the file is packed, Parquet, or UTF-16 or UTF-32 that cannot be told or read.
    """
    for number, raw in enumerate(_raw_lines(stream, path), start=1):
        try:
            yield number, raw.decode().removeprefix(_MARK).rstrip("\r\n"), ""
        except UnicodeDecodeError as error:
            text = raw.decode(errors="replace").rstrip("\r\n")
            yield (
                number,
                text,
                f"line is not valid UTF-8 at byte {error.start + 1}; expected UTF-8 (iconv makes it of another encoding)",
            )


def check_shape(
    line: str, path: str, fields: Collection[str], *, of_table: str = "write it as JSON lines or Parquet"
) -> None:
    """Whether a file that begins with `line` can be JSON lines of records with one of `fields`; `of_table`: what to do with a
    table.

    Raises:
        InputError: when it is one array, one object over several lines, or a table such as CSV.
    """
    start = line.strip()
    try:
        document = json.loads(start)
    except (ValueError, RecursionError):
        document = None
    if start.startswith("[") and (document is None or any(isinstance(item, dict) for item in document)):
        raise InputError(f"{path}: holds one JSON array; expected an object a line. {as_lines(path, '.[]')}")
    if start == "{":
        raise InputError(f"{path}: its objects go over several lines; expected an object a line. {as_lines(path, '.')}")
    if document is None and not start.startswith("{"):
        header = {name.strip("\"' ").lower() for name in re.split(r"[,;\t]", start)}
        if header & set(fields):
            raise InputError(f"{path}: holds a table with a header such as CSV; {of_table}")


def as_lines(path: str, items: str) -> str:
    """How to make JSON lines of a JSON document."""
    target = f"{PurePosixPath(path).stem}-lines.jsonl"
    return f"Make lines of it: jq -c {shlex.quote(items)} {shlex.quote(path)} > {shlex.quote(target)}"


def _raw_lines(stream: Any, path: str) -> Iterator[bytes]:
    first: bytes = stream.readline()
    if packed := next((name for start, name in _PACKED.items() if first.startswith(start)), ""):
        raise InputError(f"{path}: is packed ({packed}); unpack it first")
    if first.startswith(b"PAR1"):
        raise InputError(f"{path}: is a Parquet file; name it .parquet")
    if wide := next((encoding for mark, encoding in _WIDE.items() if first.startswith(mark)), ""):
        yield from (line.encode() for line in io.StringIO(_decoded(first + stream.read(), wide, path), newline="\n"))
        return
    if first.count(0) > len(first) // 4:
        raise InputError(
            f"{path}: looks like UTF-16 without a byte order mark (zero bytes between letters); save it as UTF-8, for "
            "instance with iconv -f UTF-16LE -t UTF-8"
        )
    yield from (line for line in (first,) if line)
    yield from stream


def _decoded(data: bytes, encoding: str, path: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: has the byte order mark of {encoding.upper()} and is not valid {encoding.upper()} at byte "
            f"{error.start + 1}; save it as UTF-8"
        ) from error
