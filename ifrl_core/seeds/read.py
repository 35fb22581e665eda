"""Seed instructions, read from files; each text, or whole conversation, once.

A record is a line of JSONL or text, an item of a JSON array, or a row of a table. Each ends as a seed or as a `Rejected` with
its reason:

    {"seed": "Explain tides."}     -> SeedText("seed-2b0d…", "Explain tides.", "my.jsonl")
    {"seed": 7}                    -> Rejected("my.jsonl", 2, "field 'seed' is int; expected a text", …)
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ifrl_core.artifacts import canonical_json
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.errors import InputError
from ifrl_core.records import Conversation, Message
from ifrl_core.seeds.conversations import texts_in
from ifrl_core.seeds.files import files_at, records_of
from ifrl_core.seeds.record import PLAIN
from ifrl_core.shipped import SEEDS, shipped_file

MAX_CHARACTERS = 8_000  # of a seed's text
MAX_CONVERSATION = 64_000  # of all messages and tools of a conversation
BUILTIN = "builtin"
_OWN = re.compile(r"(?<=duplicate) of .*| \(.*?\)(?=;)| at byte \d+|(?<=has )[\d,]+ (?=characters)")
# Control characters but tab and line ends, and the two code points that are never text.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(frozen=True)
class SeedText:
    """A seed before the split. `source` is a file's name (never its path), "builtin" or "builtin:NAME"; `text` the last user
    turn. `messages` of a conversation, none of plain text; `shape` and `left_out` as in record.Reading.
    """

    seed_id: str
    text: str
    source: str
    messages: tuple[Message, ...] = ()
    shape: str = PLAIN
    left_out: int = 0

    @property
    def conversation(self) -> Conversation:
        return Conversation(self.messages or ({"role": "user", "content": self.text},))

    @property
    def opening(self) -> str:
        """What the user says first: the same in all parts of one dialog."""
        return self.conversation.user_turns[0]

    @property
    def said(self) -> str:
        """All of it: the text, or the conversation as JSON."""
        return canonical_json(list(self.messages)) if self.messages else self.text


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
    """Read the built-in seeds if asked for, then those of `paths` (files.KINDS, folders of them; local or any fsspec URL).

    Of records with the same normalised text, or conversation, the first one is kept and the others are rejected as its
    duplicates. A seed's id is made from that alone, so it depends on no path and no order.

    Raises:
        InputError: when a file is missing, unreadable, of unknown kind, empty or broken in every record (naming the
            first three different reasons), or when there is nothing to read at all.
    """
    files = [(BUILTIN, str(shipped_file("builtin:seeds", SEEDS, "seeds.builtin")))] if builtin else []
    found = [file for path in paths for file in files_at(path)]
    files += zip(_source_names([name for name, _ in found]), (path for _, path in found), strict=True)
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
        read = record.reading
        if problem := read.problem or _problem(read.value, read.field) or _problem_of_conversation(read.messages):
            broken.append(Rejected(source, record.line, problem, record.excerpt))
            continue
        text = read.value.strip()
        key = identity_of(text, read.messages)
        if key in first_seen:
            duplicates.append(Rejected(source, record.line, f"duplicate of {first_seen[key]}", record.excerpt))
            continue
        first_seen[key] = f"{source} line {record.line}"
        seeds.append(SeedText(seed_id(key), text, source, read.messages, read.shape, read.left_out))
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


def identity_of(text: str, messages: Sequence[Message]) -> str:
    """What makes two seeds the same: the normalised text, or the JSON of a conversation whose every text is."""
    if not messages:
        return normalised(text)
    return canonical_json([{name: normalised(value) for name, value in message.items()} for message in messages])


def seed_id(text: str) -> str:
    """Identity of a seed: 64 bits of sha256 over its normalised text, or identity_of a conversation (a million seeds collide
    once in 37 million)."""
    return f"seed-{hashlib.sha256(normalised(text).encode()).hexdigest()[:16]}"


def digest_of_seeds(texts: Iterable[str], rejected: Iterable[Rejected]) -> str:
    """What seeds say, in any order, and what could not be used beside them, wherever it stood."""
    said = [sorted(texts), sorted(record.record for record in rejected)]
    return digest_of_bytes(canonical_json(said).encode())


def _source_names(found: Sequence[str]) -> list[str]:
    """Names of files, told apart by `#2`, `#3` when several share one; a path would tie data to a machine."""
    seen: Counter[str] = Counter()
    names = []
    for name in found:
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
    return _no_text(value, named)


def _problem_of_conversation(messages: Sequence[Message]) -> str:
    """Why nobody can be asked these messages; empty when somebody can."""
    size = sum(map(len, texts_in(messages)))
    if size > MAX_CONVERSATION:
        return f"the conversation has {size:,} characters; expected at most {MAX_CONVERSATION:,}"
    named = ((f"message {number}", text) for number, message in enumerate(messages, 1) for text in texts_in([message]))
    return next((problem for name, text in named if (problem := _no_text(text, name))), "")


def _no_text(value: str, named: str) -> str:
    """Which of its characters no text has; empty when there is none."""
    if any("\ud800" <= char <= "\udfff" for char in value):
        return f"{named} holds half of a surrogate pair; expected valid Unicode"
    if found := _NO_TEXT.search(value):
        return f"{named} holds the control character U+{ord(found.group()):04X}; expected text without any"
    return ""
