"""The few file operations the store needs, over fsspec: one code path for a local folder and for s3://.

Writes are whole or not there: locally a temporary name, fsync and rename; on an object store one upload. An object store that
fails for a while is tried again by botocore and s3fs; what they give up on is an ArtifactError that names the object.
"""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from ifrl_core.errors import ChangedError, IfrlError, StoreOutageError

TEMPORARY = ".tmp-"
PROBE = ".probe-"
_CHUNK = 1 << 20
# Of one request (connection refused, timeouts, 429 and 5xx: botocore, whose pauses double up to 20 s, 35 s in all on
# average) and of one read whose body ends early (s3fs, whose pauses grow by 1.7 from 0.1 s, 6 s in all).
_ATTEMPTS = 8
_TIMEOUT_S = 15


@dataclass(frozen=True)
class StoredFile:
    """One file of a listing: its path below the listed folder, its bytes, when it was written (seconds since 1970), and what
    else its store says that changes with its content (ETag, inode)."""

    path: str
    size: int
    modified: float
    tag: str = ""


def filesystem(root: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of `root` and the root without its protocol.

    Stores other than AWS need the checksum settings `when_required` (else reading a Parquet footer can fail);
    credentials, region, endpoint and AWS_MAX_ATTEMPTS come from the standard AWS variables.
    """
    options: dict[str, Any] = {}
    if root.startswith("s3://"):
        attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS)
        options["config_kwargs"] = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "retries": {"mode": "standard", "total_max_attempts": attempts},
            "connect_timeout": _TIMEOUT_S,
            "read_timeout": _TIMEOUT_S,
        }
        # Another process may write the same prefix: a cached listing would hide what it committed.
        options["use_listings_cache"] = False
        # Named, so that fsspec's cache of filesystems tells servers apart when the environment changes.
        if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
            options["endpoint_url"] = endpoint
    fs, path = fsspec.core.url_to_fs(root, **options)
    if options:
        fs.retries = attempts
    return fs, path.rstrip("/")


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


@contextmanager
def naming(path: str, doing: str) -> Iterator[None]:
    """Turn what a filesystem raises, after its own retries, into a StoreOutageError that names the object.

    FileNotFoundError passes: it is an answer, not a failure.
    """
    try:
        yield
    except (FileNotFoundError, IfrlError):
        raise
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise StoreOutageError(
            f"{path} cannot be {doing}: {type(error).__name__}: {error}. Check that the store answers, has room and "
            "accepts these credentials, then run the same command again: what was committed is kept"
        ) from error


def read_bytes(fs: fsspec.AbstractFileSystem, path: str) -> bytes:
    """The whole of a file. Raises FileNotFoundError, or ArtifactError when the store does not answer."""
    # One stream: of an object read in concurrent ranges, s3fs does not retry a range whose body is cut off.
    options = {} if is_local(fs) else {"max_concurrency": 1}
    with naming(path, "read"):
        data: bytes = fs.cat_file(path, **options)
    return data


def write_bytes(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Write `data` so that a reader sees all of it or no file at all."""
    with naming(path, "written"):
        if is_local(fs):
            _write_local(path, [data])
        else:
            fs.pipe_file(path, data)


def create_bytes(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> bool:
    """Write `data` unless there is such a file; says whether it was written. The first of two writers wins.

    Exact on a local disk with hard links and on stores with conditional writes (S3); elsewhere, as exact as a look
    before the write.
    """
    with naming(path, "written"):
        if fs.exists(path):
            return False
        try:
            if is_local(fs):
                _write_local(path, [data], exclusive=True)
            else:
                fs.pipe_file(path, data, mode="create")
        except Exception as error:  # a refusal has no type of its own: a local one, botocore's, or fsspec's of its code
            if not is_conflict(error):
                raise
            # A write that was repeated, its first answer lost, meets itself.
            return bool(fs.cat_file(path) == data)
    return True


def is_conflict(error: Exception) -> bool:
    """Whether a conditional write was refused, by a local disk or by S3 (412, or 409 of two at the same moment)."""
    told = f"{error} {error.__cause__ or ''}"
    return isinstance(error, FileExistsError) or any(
        code in told for code in ("PreconditionFailed", "ConditionalRequestConflict")
    )


def put_file(fs: fsspec.AbstractFileSystem, source: Path, path: str) -> None:
    """Copy a local file of any size into the store, whole or not at all."""
    with naming(path, "written"):
        if is_local(fs):
            with source.open("rb") as read:
                _write_local(path, iter(lambda: read.read(_CHUNK), b""))
        else:
            fs.put_file(str(source), path)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Inside, a local file is read for the store.

    Raises:
        ChangedError: at the end, when somebody has written to it meanwhile.
    """
    before = _state(path)
    yield
    if _state(path) != before:
        raise ChangedError(f"{path} was written to while it was copied: let what writes it come to its end first")


def read_ranges(fs: fsspec.AbstractFileSystem, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes | Exception]:
    """The bytes of a file from each (start, end), read at once; in place of one that could not be read, its error."""
    starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
    blocks: list[bytes | Exception] = fs.cat_ranges([path] * len(ranges), starts, ends, on_error="return")
    return [
        block if isinstance(block, Exception) or len(block) == end - start else OSError(f"it ends before byte {end}")
        for block, (start, end) in zip(blocks, ranges, strict=True)
    ]


def read_range(fs: fsspec.AbstractFileSystem, path: str, start: int, end: int) -> bytes:
    """The bytes of a file from `start` to `end`, in one stream, which s3fs tries again when its body ends early.

    Raises FileNotFoundError, or ArtifactError when the store does not answer or the file ends before.
    """
    with naming(path, "read"):
        block: bytes = fs.cat_file(path, start=start, end=end)
        if len(block) != end - start:
            raise OSError(f"it ends before byte {end}")
    return block


def version(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """What changes with the file's content: its size, time and ETag, as far as its store tells. Raises FileNotFoundError."""
    with naming(path, "looked at"):
        return str(fs.ukey(path))


def exists(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    with naming(path, "looked for"):
        return bool(fs.exists(path))


def listing(fs: fsspec.AbstractFileSystem, folder: str) -> list[StoredFile]:
    """Every file below `folder`, hidden ones included, sorted by path; none when there is no such folder."""
    with naming(folder, "listed"):
        try:
            infos = fs.find(folder, detail=True)
        except FileNotFoundError:
            return []
    return sorted(
        (
            StoredFile(path[len(folder) + 1 :], info["size"], _modified(info), _tag(info))
            for path, info in infos.items()
        ),
        key=lambda file: file.path,
    )


def age_s(fs: fsspec.AbstractFileSystem, path: str) -> float:
    """Seconds since a file was written, by this machine's clock. Raises FileNotFoundError."""
    with naming(path, "looked at"):
        return time.time() - _modified(fs.info(path))


def store_age_s(fs: fsspec.AbstractFileSystem, path: str) -> float:
    """Seconds since a file was written, by its store's clock: that of a probe beside it. Raises FileNotFoundError."""
    probe = f"{path.rpartition('/')[0]}/{PROBE}{uuid.uuid4().hex}"
    with naming(path, "looked at"):
        written = _modified(fs.info(path))
        fs.pipe_file(probe, b"ifrl")
        try:
            return _modified(fs.info(probe)) - written
        finally:
            remove(fs, probe)


def size(fs: fsspec.AbstractFileSystem, path: str) -> int:
    """Bytes of a file. Raises FileNotFoundError."""
    with naming(path, "looked at"):
        return int(fs.info(path)["size"])


def remove(fs: fsspec.AbstractFileSystem, path: str) -> None:
    """Remove one file; none there is no error."""
    with naming(path, "removed"):
        try:
            fs.rm_file(path)
        except FileNotFoundError:
            return


def _write_local(path: str, chunks: Iterable[bytes], *, exclusive: bool = False) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{target.name}")
    try:
        with temporary.open("wb") as out:
            for chunk in chunks:
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if exclusive and _link(temporary, target):
            temporary.unlink()
        else:
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


def _link(source: Path, target: Path) -> bool:
    """A second name for `source`; False on disks that know no second names. Raises FileExistsError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _tag(info: dict[str, Any]) -> str:
    return str(info.get("ETag") or info.get("ino") or "")


def _modified(info: dict[str, Any]) -> float:
    modified = info["mtime"] if "mtime" in info else info["LastModified"]
    return float(modified if isinstance(modified, int | float) else modified.timestamp())
