"""sha256 as 64 hex digits: of bytes, of a file of any size in constant memory, of the files of a folder."""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import fsspec
from filelock import FileLock

from ifrl_core.artifacts import files
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.settings import cache_folder

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_WORTH_A_NOTE = 8 << 20  # bytes: smaller files are hashed faster than a note is worth
_WORTH_A_LINE = 1 << 30  # bytes: somebody waits for seconds
_CLOCK_TICK_NS = 2 * 10**9  # of the coarsest clock of a file system: a younger file can change and keep its time


def digest_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of_stored(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """Of a file in a store. Raises FileNotFoundError, or ArtifactError when the store does not answer."""
    digest = hashlib.sha256()
    with files.naming(path, "read"), fs.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Of a file on this machine. Raises FileNotFoundError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_once(path: Path) -> str:
    """As `digest_of_file`, for files that many processes ask about: a model of 60 GB is hashed once a machine.

    A note in the cache folder, one for each path, holds the digest while size, times and inode of the file stay. Of several
    processes that find none, one reads the file and the others wait for its note.
    """
    if path.stat().st_size < _WORTH_A_NOTE:
        return digest_of_file(path)
    if noted := _noted(path):
        return noted
    note = _note(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    lock = note.with_name(f"{note.name}.lock")
    with FileLock(lock):
        digest = _noted(path) or _noting(path, note)
        lock.unlink(missing_ok=True)  # whoever waits for it sees that it is gone, and takes another
    return digest


def remember_digest(path: Path, digest: str) -> None:
    """Note the digest of a file that is whole and that nobody writes to any more, so that it is not read again for it."""
    if path.stat().st_size >= _WORTH_A_NOTE:
        _write_note(_note(path), _state(path), digest)


def digest_of_folder(paths: Iterable[Path]) -> str:
    """Of the names and contents of files that lie in one folder."""
    return digest_of_files({path.name: digest_once(path) for path in paths})


def digest_of_files(digests: Mapping[str, str]) -> str:
    """Of the names and contents of several files: `digests` by name."""
    return digest_of_bytes("".join(f"{name}\0{digests[name]}\n" for name in sorted(digests)).encode())


def digest_of_source(path: str) -> str:
    """Of a file that the user named (path or URL).

    Raises:
        InputError: when it cannot be read.
    """
    try:
        return digest_of_stored(*files.filesystem(path))
    except (ArtifactError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def check_digest(path: str, digest: str, recorded: str) -> None:
    """Raise ArtifactError, naming the file, unless its digest is the recorded one."""
    if digest != recorded:
        raise ArtifactError(
            f"{path} is corrupted: its sha256 is {digest[:16]}…, the record says {recorded[:16]}…. It is not used; "
            "remove that artifact's folder to have it made again"
        )


def _note(path: Path) -> Path:
    return cache_folder() / "digests" / digest_of_bytes(str(path.resolve()).encode())


def _state(path: Path) -> list[int]:
    """What changes with a file's content, as far as the disk tells; the ctime also where somebody sets the time back."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _noted(path: Path) -> str | None:
    """The digest in the file's note, if it was written for the file as it is now."""
    try:
        *state, digest = json.loads(_note(path).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return str(digest) if state == _state(path) else None


def _noting(path: Path, note: Path) -> str:
    """The digest of a file, which is noted unless the file is so young that it can change and keep its time."""
    state = _state(path)
    if state[0] >= _WORTH_A_LINE:
        log.info("reading the %.1f GB of %s for their digest, once on this machine", state[0] / 1e9, path)
    digest = digest_of_file(path)
    if time.time_ns() - path.stat().st_mtime_ns > _CLOCK_TICK_NS:
        _write_note(note, state, digest)
    return digest


def _write_note(note: Path, state: list[int], digest: str) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_name(f"{files.TEMPORARY}{uuid.uuid4().hex}")
    partial.write_text(json.dumps([*state, digest]))
    partial.replace(note)
