"""One digest for all: of bytes, files and folders; a file that changed is never answered from a note."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ifrl_core.artifacts import digest
from ifrl_core.artifacts.digest import (
    digest_of_bytes,
    digest_of_file,
    digest_of_files,
    digest_of_folder,
    digest_of_source,
    digest_once,
    remember_digest,
)
from ifrl_core.artifacts.files import filesystem
from ifrl_core.errors import InputError
from tests.core.artifacts.makers import age

DATA = bytes(range(256)) * 40_000  # 10 MB: more than what is hashed each time


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of DATA, an hour old, and an empty cache folder."""
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "weights").write_bytes(DATA)
    age(tmp_path / "weights", 3600)
    return tmp_path / "weights"


def notes(path: Path) -> list[Path]:
    return [note for note in (path.parent / "cache").rglob("*") if note.is_file()]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that `digest_once` reads, as it reads them."""
    read: list[Path] = []

    def counting(path: Path) -> str:
        read.append(path)
        return digest_of_file(path)

    monkeypatch.setattr(digest, "digest_of_file", counting)
    return read


def test_all_ways_to_read_a_file_give_its_sha256(path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert digest_of_bytes(DATA) == digest_of_file(path) == digest_once(path) == digest_once(path) == sha256
    assert digest.digest_of_stored(*filesystem(str(path))) == digest_of_source(f"file://{path}") == sha256
    line = hashlib.sha256(f"weights\0{sha256}\n".encode()).hexdigest()
    assert digest_of_folder([path]) == digest_of_files({"weights": sha256}) == line


def test_a_file_is_hashed_once_and_again_after_any_change(path: Path, hashed: list[Path]) -> None:
    for _ in range(3):
        digest_once(path)
    assert len(hashed) == 1
    then = path.stat().st_mtime_ns
    other = path.with_name("other")  # same path, size and time in the end: the inode tells
    other.write_bytes(DATA[::-1])
    other.replace(path)
    os.utime(path, ns=(then, then))
    assert digest_once(path) == hashlib.sha256(DATA[::-1]).hexdigest()
    inode = path.stat().st_ino
    path.write_bytes(DATA[1:] + DATA[:1])
    os.utime(path, ns=(then, then))
    assert path.stat().st_ino == inode, "here nothing but the ctime tells"
    assert digest_once(path) == hashlib.sha256(DATA[1:] + DATA[:1]).hexdigest()
    path.write_bytes(DATA)
    age(path, 60)
    assert digest_once(path) == hashlib.sha256(DATA).hexdigest()
    assert len(notes(path)) == 1, "a note for each path, not for each state of it"


def test_of_those_who_ask_at_once_one_reads_the_file(path: Path, hashed: list[Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(digest_once, [path] * 8)) == {hashlib.sha256(DATA).hexdigest()}
    assert len(hashed) == 1


def test_a_digest_that_is_known_costs_no_reading(path: Path, hashed: list[Path]) -> None:
    remember_digest(path, "0" * 64)
    assert digest_once(path) == "0" * 64
    assert not hashed


def test_no_note_of_what_may_still_change_or_is_small(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_CLOCK_TICK_NS", 600 * 10**9)  # on a busy machine seconds may pass from line to line
    path.write_bytes(DATA)
    digest_once(path)
    small = path.with_name("config.json")
    small.write_text("{}")
    age(small, 3600)
    digest_once(small)
    assert not notes(path)


def test_a_torn_note_is_no_answer(path: Path) -> None:
    digest_once(path)
    (note,) = notes(path)
    note.write_text(note.read_text()[:20])
    assert digest_once(path) == hashlib.sha256(DATA).hexdigest()


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read"):
        digest_of_source(str(tmp_path / "gone.jsonl"))
