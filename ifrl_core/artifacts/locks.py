"""One run at a time makes an artifact, or one of its shards; the others wait, and then find what it made.

    <root>/.locks/<stage>-<fingerprint>[-<part>].lock

On a local disk this is a lock of the operating system: the kernel drops it when its holder ends, however it ends. (A network
disk without such locks gets the `filelock` package's own lock files.) On an object store it is a lease (lease.py).
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from filelock import BaseFileLock, FileLock, Timeout

from ifrl_core.artifacts import files
from ifrl_core.artifacts.lease import HeldError, Lease, is_live

log = logging.getLogger(__name__)

FOLDER = ".locks"
SUFFIX = ".lock"

Check = Callable[[], None]


@contextmanager
def locked(fs: fsspec.AbstractFileSystem, path: str, what: str, *, wait: bool = True) -> Iterator[Check]:
    """Hold the lock at `path`; yields a function that raises ArtifactError when it is no longer held.

    `what` names, in the log, what is waited for.

    Raises:
        HeldError: when `wait` is False and another process holds it.
    """
    lock = _local if files.is_local(fs) else _lease
    with lock(fs, path, what, wait) as check:
        yield check


@contextmanager
def _local(fs: fsspec.AbstractFileSystem, path: str, what: str, wait: bool) -> Iterator[Check]:
    lock = FileLock(path)
    if not _acquired(lock):
        if not wait:
            raise HeldError(path)
        _say_waiting(what)
        lock.acquire(poll_interval=0.2)
    try:
        yield lambda: None
    finally:
        lock.release()


@contextmanager
def _lease(fs: fsspec.AbstractFileSystem, path: str, what: str, wait: bool) -> Iterator[Check]:
    lease = Lease(fs, path)
    lease.acquire(lambda: _say_waiting(what), wait=wait)
    ended = threading.Event()
    beats = threading.Thread(target=lease.keep, args=(ended,), daemon=True)
    beats.start()
    try:
        yield lease.check
    finally:
        ended.set()
        beats.join()
        lease.release()


def is_held(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Whether some process, this one included, holds the lock at `path`. Changes nothing."""
    if not files.is_local(fs):
        return is_live(fs, path)
    if not Path(path).exists():
        return False
    lock = FileLock(path)
    if not _acquired(lock):
        return True
    lock.release()
    return False


def _acquired(lock: BaseFileLock) -> bool:
    with files.naming(str(lock.lock_file), "locked"):
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
    return True


def _say_waiting(what: str) -> None:
    log.info("%s: another run is making it; waiting for its result", what)
