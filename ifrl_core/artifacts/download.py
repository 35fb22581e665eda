"""Files of a store or of any URL, copied to this machine: whole or not there, and never read twice.

What was read before a cut or a kill stays beside the target as `.tmp-<version>-<name>` and is gone on from. The version is
the file's digest, or what its store says of it (time, ETag), so that parts of two files never meet.
"""

from collections.abc import Iterator
from pathlib import Path

import fsspec

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.digest import check_digest, digest_of_bytes, digest_of_file, digest_once, remember_digest

_BLOCK = 8 << 20  # bytes of one request
_BLOCKS_AT_ONCE = 8


def download(fs: fsspec.AbstractFileSystem, path: str, target: Path, *, size: int, digest: str | None = None) -> None:
    """Have the file at `path`, of `size` bytes, as `target`; one of that size and digest that is there is taken as it is.

    Of several processes one reads it, and the others wait.

    Raises:
        FileNotFoundError: when there is no such file.
        ArtifactError: when the store does not answer (the next call goes on), or the digest is wrong.
    """
    if _is_whole(target, size, digest):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    version = digest_of_bytes((digest or files.version(fs, path)).encode())[:16]
    partial = target.with_name(f"{files.TEMPORARY}{version}-{target.name}")
    disk, lock = files.filesystem(f"{partial}{locks.SUFFIX}")
    with locks.locked(disk, lock, path):
        if _is_whole(target, size, digest):
            return
        _read(fs, path, partial, size, digest)
        partial.replace(target)
        if digest is not None:
            remember_digest(target, digest)
        files.remove(disk, lock)  # whoever waits for it sees that it is gone, and takes another


def _read(fs: fsspec.AbstractFileSystem, path: str, partial: Path, size: int, digest: str | None) -> None:
    """Read what `partial` has not got yet; a part that turns out wrong is read again from its start, once."""
    goes_on = partial.exists()
    with partial.open("ab") as out:
        for block in _blocks(fs, path, out.tell(), size):
            out.write(block)
    if digest is None or (actual := digest_of_file(partial)) == digest:
        return
    partial.unlink()
    if not goes_on:
        check_digest(path, actual, digest)
    _read(fs, path, partial, size, digest)


def _blocks(fs: fsspec.AbstractFileSystem, path: str, start: int, size: int) -> Iterator[bytes]:
    """The file's bytes from `start` on, up to the first block that cannot be read; that one's error is raised.

    A block that fails among those read at once is read alone, which is tried again like every read of a store.
    """
    while start < size:
        ranges = [(first, min(first + _BLOCK, size)) for first in range(start, size, _BLOCK)[:_BLOCKS_AT_ONCE]]
        for block, (first, end) in zip(files.read_ranges(fs, path, ranges), ranges, strict=True):
            yield files.read_range(fs, path, first, end) if isinstance(block, Exception) else block
        start = ranges[-1][1]


def _is_whole(target: Path, size: int, digest: str | None) -> bool:
    if not target.exists() or target.stat().st_size != size:
        return False
    return digest is None or digest_once(target) == digest
