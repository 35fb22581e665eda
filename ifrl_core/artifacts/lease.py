"""A lease on an object store: the right of one run to make an artifact, or one of its shards.

It is a small object that its holder rewrites every BEAT_S seconds. Another run takes it over
when it has not changed for PATIENCE_S seconds, or at once when the holder was a process of the same machine that is gone.
No clocks are compared. What it promises: with conditional writes (S3: If-None-Match, If-Match) one holder at a time, save
that a holder which was cut off from the store for PATIENCE_S learns only afterwards that it was replaced. Without them
(some S3-compatible servers ignore the conditions), writers that meet wait SETTLE_S and the last one to have written holds
the lease: two may hold it when a write takes longer than that to arrive. Either way no artifact is ever mixed in silence:
every write is preceded by a look whether the lease is still held, the first manifest wins (writer.py), and readers check
digests.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fsspec
import psutil

from ifrl_core.artifacts import files
from ifrl_core.errors import ArtifactError

log = logging.getLogger(__name__)

BEAT_S = 10.0
PATIENCE_S = 60.0
SETTLE_S = 1.0
LIVE_S = 600.0  # a lease this old, by the store's clock, has no holder: 60 beats, so that clocks may differ by minutes
_POLL_S = 1.0


class HeldError(Exception):
    """Another process holds the lock."""


class Lease:
    """The right to make what `path` stands for, on an object store. See the module's head for what it promises."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        self._fs, self._path = fs, path
        self._owner = {**_this_process(), "owner": uuid.uuid4().hex}
        self._beats = 0

    def acquire(self, on_wait: Callable[[], None], *, wait: bool = True) -> None:
        """Take the lease, waiting for its holder to release it or to fall silent; `on_wait` is called once, when it has to.

        Raises:
            HeldError: when `wait` is False and someone else holds it.
        """
        seen, since, said = None, time.monotonic(), False
        while True:
            found = self._read()
            if found != seen:
                seen, since = found, time.monotonic()
            silent = time.monotonic() - since > PATIENCE_S if wait else not is_live(self._fs, self._path)
            if (found is None or silent or _is_gone(found)) and self._take(found):
                return
            if not wait:
                raise HeldError(self._path)
            if found is not None and not said:
                on_wait()
                said = True
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Raise ArtifactError when another run has taken the lease over."""
        if not self._is_mine(self._read()):
            raise ArtifactError(
                f"{self._path} is no longer held by this run: it was silent for {PATIENCE_S:.0f} s and another run took "
                "over. Nothing more is written here; run the same command again to take the other run's result"
            )

    def keep(self, ended: threading.Event) -> None:
        """Rewrite the lease every BEAT_S until `ended`, or until it is someone else's."""
        while not ended.wait(BEAT_S):
            try:
                found = self._read()
                if not self._is_mine(found):
                    return
                self._write(found)
            except Exception as error:  # the store may come back; `check` says it when it matters
                log.debug("%s: no heartbeat: %s", self._path, error)

    def release(self) -> None:
        try:
            if self._is_mine(self._read()):
                files.remove(self._fs, self._path)
        except ArtifactError as error:
            log.warning("%s stays behind, to be taken over by the next run: %s", self._path, error)

    def _take(self, found: bytes | None) -> bool:
        if not self._write(found):
            return False
        # Where conditions count, nobody can write between. Where they are ignored, let whoever wrote meanwhile finish.
        if not self._conditions_count():
            time.sleep(SETTLE_S)
        return self._is_mine(self._read())

    def _write(self, expected: bytes | None) -> bool:
        """Replace `expected` (None: no lease) by this process's; False when another process was faster."""
        self._beats += 1
        body = json.dumps({**self._owner, "beat": self._beats}).encode()
        try:
            if expected is None:
                self._fs.pipe_file(self._path, body, mode="create")
                return True
            etag = self._fs.info(self._path)["ETag"]
            if self._read() != expected:
                return False
            self._fs.pipe_file(self._path, body, IfMatch=etag)
        except FileNotFoundError:
            return False
        except Exception as error:
            if files.is_conflict(error):
                return self._is_mine(self._read())
            with files.naming(self._path, "written"):
                raise
        return True

    def _conditions_count(self) -> bool:
        """Whether the server refuses to create what is there: tried on the lease itself, just written."""
        held = self._read()
        try:
            self._fs.pipe_file(self._path, held or b"", mode="create")
        except Exception as error:
            return files.is_conflict(error)
        return False

    def _read(self) -> bytes | None:
        try:
            return files.read_bytes(self._fs, self._path)
        except FileNotFoundError:
            return None

    def _is_mine(self, found: bytes | None) -> bool:
        return found is not None and _document(found).get("owner") == self._owner["owner"]


def _document(found: bytes) -> dict[str, Any]:
    try:
        document = json.loads(found)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def is_live(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Whether a run of any machine holds the lease at `path`."""
    try:
        return files.age_s(fs, path) < LIVE_S and not _is_gone(files.read_bytes(fs, path))
    except FileNotFoundError:
        return False


def _is_gone(found: bytes) -> bool:
    """Whether the holder was a process of this machine that no longer runs."""
    holder, me = _document(found), _this_process()
    if holder.get("machine") != me["machine"]:
        return False
    try:
        return bool(psutil.Process(holder["pid"]).create_time() != holder["started"])
    except psutil.NoSuchProcess:
        return True


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"machine": _machine(), "pid": pid, "started": psutil.Process(pid).create_time()}


@cache
def _machine() -> str:
    """Name, boot and process namespace: two containers of one host are two machines."""
    parts = [socket.gethostname(), f"{psutil.boot_time():.0f}"]
    if (namespace := Path("/proc/self/ns/pid")).exists():
        parts.append(os.readlink(namespace))
    return " ".join(parts)
