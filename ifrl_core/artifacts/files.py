"""The few file operations the store needs, over fsspec: one code path for a local folder and for s3://.

Writes are whole or not there: locally a temporary name, fsync and rename; on an object store one upload.
"""

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

import fsspec

from ifrl_core.errors import InputError

TEMPORARY = ".tmp-"
_CHUNK = 1 << 20


def filesystem(root: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of `root` and the root without its protocol.

    Stores other than AWS need the checksum settings `when_required` (else reading a Parquet footer can fail);
    credentials, region and endpoint come from the standard AWS variables.
    """
    options: dict[str, Any] = {}
    if root.startswith("s3://"):
        options["config_kwargs"] = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        # Another process may write the same prefix: a cached listing would hide what it committed.
        options["use_listings_cache"] = False
        # Named, so that fsspec's cache of filesystems tells servers apart when the environment changes.
        if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
            options["endpoint_url"] = endpoint
    fs, path = fsspec.core.url_to_fs(root, **options)
    return fs, path.rstrip("/")


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


def write_bytes(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Write `data` so that a reader sees all of it or no file at all."""
    if not is_local(fs):
        fs.pipe_file(path, data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{target.name}")
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_file(fs: fsspec.AbstractFileSystem, source: Path, path: str) -> None:
    """Copy a local file of any size into the store, whole or not at all."""
    if not is_local(fs):
        fs.put_file(str(source), path)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{target.name}")
    try:
        with source.open("rb") as read, temporary.open("wb") as out:
            while chunk := read.read(_CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256_file(fs: fsspec.AbstractFileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with fs.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_digest(path: str) -> str:
    """sha256 of a file that the user named (path or URL).

    Raises:
        InputError: when it cannot be read.
    """
    fs, inner = filesystem(path)
    try:
        return sha256_file(fs, inner)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
