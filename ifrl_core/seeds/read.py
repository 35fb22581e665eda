"""Seed instructions, read from files; each text once.

A record is a line of JSONL or text, or a row of Parquet. Each ends as a seed or as a `Rejected` with its reason:

    {"seed": "Explain tides."}     -> SeedText("seed-2b0d…", "Explain tides.", "my.jsonl")
    {"seed": 7}                    -> Rejected("my.jsonl", 2, "field 'seed' is int; expected a text", …)
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ifrl_core.artifacts import canonical_json
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.errors import InputError
from ifrl_core.seeds.files import path_of, records_of

MAX_CHARACTERS = 8_000
BUILTIN = "builtin"
_OWN = re.compile(r"(?<=duplicate) of .*| \(.*?\)(?=;)| at byte \d+|(?<=has )[\d,]+ (?=characters)")
# Control characters but tab and line ends, and the two code points that are never text.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


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

    @property
    def kind(self) -> str:
        """The reason without what is this record's own: places, counts, other lines."""
        return _OWN.sub("", self.reason)


def read_seeds(paths: Sequence[str], *, builtin: bool) -> tuple[list[SeedText], list[Rejected]]:
    """Read the built-in seeds if asked for, then those of `paths` (.jsonl, .parquet, .txt; local or any fsspec URL).

    Of records with the same normalised text the first one is kept and the others are rejected as its duplicates. A
    seed's id is made from its normalised text alone, so it depends on no path and no order.

    Raises:
        InputError: when a file is missing, unreadable, of unknown kind, empty or broken in every record (naming the
            first three different reasons), or when there is nothing to read at all.
    """
    files = [(BUILTIN, str(resources.files("ifrl_core") / "data" / "seeds.jsonl"))] if builtin else []
    files += zip(_source_names(paths), paths, strict=True)
    if not files:
        raise InputError("no seed instructions: name files under seeds.files, or set seeds.builtin to true")
    seeds: list[SeedText] = []
    rejected: list[Rejected] = []
    first_seen: dict[str, str] = {}
    for source, path in files:
        of_file, duplicates, broken = _read_file(source, path, first_seen)
        seeds += of_file
        rejected += [*duplicates, *broken]
    return seeds, rejected


def _read_file(
    source: str, path: str, first_seen: dict[str, str]
) -> tuple[list[SeedText], list[Rejected], list[Rejected]]:
    """Seeds, duplicates and broken records of a file; `first_seen` (normalised text -> where) grows by its seeds."""
    seeds: list[SeedText] = []
    duplicates: list[Rejected] = []
    broken: list[Rejected] = []
    for record in records_of(path):
        if problem := record.problem or _problem(record.value, record.field):
            broken.append(Rejected(source, record.line, problem, record.excerpt))
            continue
        text = record.value.strip()
        key = normalised(text)
        if key in first_seen:
            duplicates.append(Rejected(source, record.line, f"duplicate of {first_seen[key]}", record.excerpt))
            continue
        first_seen[key] = f"{source} line {record.line}"
        seeds.append(SeedText(seed_id(text), text, source))
    if not seeds and not duplicates:
        if not broken:
            raise InputError(f"{path}: the file is empty; expected seed instructions")
        first = {reject.reason: reject.line for reject in reversed(broken)}
        reasons = "; ".join(f"line {line}: {why}" for line, why in sorted((n, why) for why, n in first.items())[:3])
        raise InputError(f"{path}: none of its {len(broken)} records is usable: {reasons}")
    return seeds, duplicates, broken


def normalised(text: str) -> str:
    """`text` in Unicode normal form C with runs of white space as one space: what makes two seeds the same."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def seed_id(text: str) -> str:
    """Identity of a seed: 64 bits of sha256 over its normalised text (a million seeds collide once in 37 million)."""
    return f"seed-{hashlib.sha256(normalised(text).encode()).hexdigest()[:16]}"


def digest_of_seeds(texts: Iterable[str], rejected: Iterable[Rejected]) -> str:
    """What seeds say, in any order, and what could not be used beside them, wherever it stood."""
    said = [sorted(texts), sorted(record.record for record in rejected)]
    return digest_of_bytes(canonical_json(said).encode())


def _source_names(paths: Sequence[str]) -> list[str]:
    """File names, told apart by `#2`, `#3` when several files share one; a path would tie data to a machine."""
    seen: Counter[str] = Counter()
    names = []
    for path in paths:
        name = path_of(path).name
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


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
    if found := _NO_TEXT.search(value):
        return f"{named} holds the control character U+{ord(found.group()):04X}; expected text without any"
    return ""
