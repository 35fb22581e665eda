"""The files that seeds come in: which lie below a folder or in a dataset of the Hub, and the records of each.

A file is of the kind that its name says, packed with gzip or zstd or not; JSON may be lines or one array, whatever its name.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec

from ifrl_core.artifacts.files import filesystem, is_local
from ifrl_core.errors import InputError
from ifrl_core.seeds.packed import unpacked
from ifrl_core.seeds.record import FIELDS, Reading, reading_of
from ifrl_core.seeds.tables import Record, arrow_rows, excerpt, parquet_rows, separated_rows
from ifrl_core.shipped import BUILTIN, SEEDS, shipped_file
from ifrl_core.text.lines import check_shape, lines_of

log = logging.getLogger(__name__)

_PACKED = (".gz", ".gzip", ".zst", ".zstd")
_NO_SEEDS = (
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
)  # what `datasets` writes beside
_EXPECTED = f"expected a JSON object with one of the fields {', '.join(FIELDS)}, or a conversation"


def seed_files(location: str) -> tuple[str, ...]:
    """The seed files below a folder or prefix, by path; hidden and empty files and those of other kinds are passed over.

    Raises:
        InputError: when `location` is empty, a local folder that does not exist, or cannot be listed.
    """
    if not location:
        raise InputError(f"new_seeds is empty: name a folder or an s3:// prefix of seeds ({', '.join(KINDS)})")
    fs, base = filesystem(location)
    try:
        if is_local(fs) and not fs.exists(base):
            raise InputError(f"new_seeds {location} does not exist; name a folder, a file or an s3:// prefix")
        return tuple(path for _, path in _below(fs, base, location))
    except OSError as error:
        raise InputError(f"new_seeds {location} cannot be listed: {error}") from error


def files_at(location: str) -> list[tuple[str, str]]:
    """(name, path) of a seed file, of one that ships with ifrl (`builtin:NAME`), or of all below a folder, as `datasets`
    writes them; names are without the folder's place.

    Raises:
        InputError: when there is no such name or folder, or it cannot be listed or has no seed files.
    """
    if location.startswith(BUILTIN):
        return [(location, str(shipped_file(location, SEEDS, "seeds.files")))]
    path = path_of(location)
    if kind_of(path) and not Path(location).is_dir():
        return [(path.name, location)]
    try:
        fs, base = filesystem(location)
        there, folder = fs.exists(base), fs.isdir(base)
        found = _below(fs, base, location) if folder else [(path.name, location)]
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{location}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    if not there:
        raise InputError(f"{location}: cannot be opened: there is no such file or folder; check the path")
    if not found:
        raise InputError(f"{location}: the folder has no file of seeds; expected {', '.join(KINDS)}")
    return [(f"{path.name}/{name}", file) for name, file in found] if folder else found


def _below(fs: fsspec.AbstractFileSystem, base: str, location: str) -> list[tuple[str, str]]:
    """Path below `base` and whole path of each seed file."""
    details: dict[str, dict[str, object]] = fs.find(base, detail=True)
    found, other = [], 0
    for path, detail in sorted(details.items()):
        below = PurePosixPath(path[len(base) :].lstrip("/") or PurePosixPath(path).name)
        hidden = any(part.startswith(".") for part in below.parts)
        cached = below.name.startswith("cache-") and below.suffix == ".arrow"  # of map and filter of `datasets`
        if hidden or cached or not detail.get("size") or below.name in _NO_SEEDS:
            continue
        if kind_of(below):
            found.append((str(below), path if is_local(fs) else str(fs.unstrip_protocol(path))))
        else:
            other += 1
    if other:
        log.warning("%d files in %s are passed over: seeds are read from %s", other, location, ", ".join(KINDS))
    return found


def path_of(path: str) -> PurePosixPath:
    """The path of a file or of an http URL without its query."""
    return PurePosixPath(urlsplit(path).path if path.startswith(("http://", "https://")) else path)


def kind_of(path: PurePosixPath) -> str:
    """Which of KINDS a file is by its name, packed or not; empty when it is none."""
    suffix = path.suffix.lower()
    suffix = path.with_suffix("").suffix.lower() if suffix in _PACKED else suffix
    return suffix if suffix in KINDS else ""


def records_of(path: str) -> Iterator[Record]:
    """The records of a file, by its suffix.

    Raises:
        InputError: for a file of unknown kind, or one that cannot be opened.
    """
    kind = kind_of(path_of(path))
    if not kind:
        raise InputError(f"{path}: unknown kind of file {path_of(path).suffix!r}; expected one of {', '.join(KINDS)}")
    try:
        fs, inner = filesystem(path)
        stream = fs.open(inner, "rb")
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    with stream, unpacked(stream, path) as content:
        yield from KINDS[kind](content, path)


def _text_lines(stream: Any, path: str) -> Iterator[Record]:
    for number, line, problem in lines_of(stream, path):
        yield Record(number, Reading(line, "", problem), excerpt(line))


def _json_records(stream: Any, path: str) -> Iterator[Record]:
    """Of JSON lines, or of one JSON array."""
    begun = False
    lines = lines_of(stream, path)
    for number, line, problem in lines:
        if not begun and line.strip():
            begun = True
            if not problem and _begins_array(line):
                yield from _items([(number, line, problem), *lines], path)
                return
            check_shape(line, path, FIELDS, of_table="name it .csv (or .tsv)")
        reading = Reading(None, "", problem) if problem else _read_line(line)
        yield Record(number, reading, excerpt(line))


def _begins_array(line: str) -> bool:
    """Whether a line begins, or is, an array of objects; a whole one of anything else is a line that is no record."""
    start = line.strip()
    try:
        document = json.loads(start)
    except (ValueError, RecursionError):
        return start.startswith("[")
    return isinstance(document, list) and (not document or any(isinstance(item, dict) for item in document))


def _items(lines: Iterable[tuple[int, str, str]], path: str) -> Iterator[Record]:
    """The records of one JSON array; each is named by its place, from 1."""
    texts = []
    for number, line, problem in lines:
        if problem:
            raise InputError(f"{path}: line {number}: {problem}")
        texts.append(line)
    try:
        documents = json.loads("\n".join(texts))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: begins as a JSON array and is not valid JSON ({error})") from error
    for place, document in enumerate(documents, 1):
        try:
            yield Record(place, _of_document(document, "item"), excerpt(json.dumps(document, ensure_ascii=False)))
        except RecursionError:
            yield Record(place, Reading(None, "", f"item is nested too deeply; {_EXPECTED}"), "")


def _read_line(line: str) -> Reading:
    """What a line holds."""
    if not line.strip():
        return Reading(None, "", f"line is empty; {_EXPECTED}")
    try:
        return _of_document(json.loads(line), "line")
    except (ValueError, RecursionError) as error:
        comma = ", a comma stands behind it" if line.rstrip().endswith("},") else ""
        return Reading(None, "", f"line is not valid JSON ({error}{comma}); {_EXPECTED}")


def _of_document(document: Any, named: str) -> Reading:
    if not isinstance(document, dict):
        return Reading(None, "", f"{named} is a JSON {type(document).__name__}; {_EXPECTED}")
    return reading_of(document)


KINDS: dict[str, Callable[[Any, str], Iterator[Record]]] = {
    ".jsonl": _json_records,
    ".ndjson": _json_records,
    ".json": _json_records,
    ".parquet": parquet_rows,
    ".arrow": arrow_rows,
    ".csv": separated_rows,
    ".tsv": separated_rows,
    ".txt": _text_lines,
}
