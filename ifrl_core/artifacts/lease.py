"""A lease on an object store: the right of one run to make an artifact, or one file of it.

It is a small object that names its owner, who rewrites it every BEAT_S seconds. What a run does depends on what it finds:

    state    what the store holds                                   acquire     beat      check   release
    free     nothing                                                take        ends      error   -
    mine     this run's object                                      have it     rewrite   -       remove
    held     another run's, which gave a sign of life               wait        ends      error   -
    silent   another run's, which gave none for PATIENCE_S          take over   ends      error   -
    gone     another run's, of a process here that no longer runs   take over   ends      error   -

A sign of life is a change that is seen while waiting; no clocks are compared. Who does not wait, and gc, cannot see one: to
them a lease is silent when it is older than LIVE_S by the store's clock.

What it promises: with conditional writes (S3: If-None-Match, If-Match) one holder at a time, save that a holder which was
cut off from the store for PATIENCE_S learns only afterwards that it was replaced. Without them (some S3-compatible servers
ignore the conditions), writers that meet wait SETTLE_S and the last one to have written holds the lease: two may hold it
when a write takes longer than that to arrive. Either way no artifact is ever mixed in silence: every write is preceded by a
check, the first manifest wins (writer.py), and readers check digests.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

import fsspec

from ifrl_core.artifacts import files
from ifrl_core.artifacts.holder import has_ended, this_process
from ifrl_core.errors import ArtifactError

log = logging.getLogger(__name__)

BEAT_S = 10.0
PATIENCE_S = 60.0
SETTLE_S = 1.0
LIVE_S = 600.0  # 60 beats, so that clocks may differ by minutes
_POLL_S = 1.0

State = Literal["free", "mine", "held", "silent", "gone"]
TAKEABLE: frozenset[State] = frozenset({"free", "silent", "gone"})


class HeldError(Exception):
    """Another process holds the lock."""


class Lease:
    """The right to make what `path` stands for. See the module's head for its states and what it promises."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        self._fs, self._path = fs, path
        self._owner = {**this_process(), "owner": uuid.uuid4().hex}
        self._beats = 0

    def acquire(self, on_wait: Callable[[], None], *, wait: bool = True) -> None:
        """Have the lease, if need be after waiting for its holder; `on_wait` is called once, when there is one.

        Raises:
            HeldError: when `wait` is False and another run holds it.
        """
        watched, since, waiting = None, time.monotonic(), False
        while True:
            body = self._read()
            if body != watched:
                watched, since = body, time.monotonic()
            silent = time.monotonic() - since > PATIENCE_S if wait else _is_old(self._fs, self._path)
            state = self._state(body, silent=silent)
            if state == "mine" or (state in TAKEABLE and self._take(body)):
                return
            if not wait:
                raise HeldError(self._path)
            if body is not None and not waiting:
                on_wait()
                waiting = True
            time.sleep(_POLL_S)

    def keep(self, ended: threading.Event) -> None:
        """Beat: rewrite the lease every BEAT_S until `ended`, or until it is not this run's any more."""
        while not ended.wait(BEAT_S):
            try:
                body = self._read()
                if self._state(body) != "mine":
                    return
                self._write(body)
            except Exception as error:  # the store may come back; `check` says it when it matters
                log.debug("%s: no heartbeat: %s", self._path, error)

    def check(self) -> None:
        """Raise ArtifactError when another run has taken the lease over."""
        if self._state(self._read()) != "mine":
            raise ArtifactError(
                f"{self._path} is no longer held by this run: it was silent for {PATIENCE_S:.0f} s and another run took "
                "over. Nothing more is written here; run the same command again to take the other run's result"
            )

    def release(self) -> None:
        try:
            if self._state(self._read()) == "mine":
                files.remove(self._fs, self._path)
        except ArtifactError as error:
            log.warning("%s stays behind, to be taken over by the next run: %s", self._path, error)

    def _state(self, body: bytes | None, *, silent: bool = False) -> State:
        return state_of(body, self._owner["owner"], silent=silent)

    def _take(self, expected: bytes | None) -> bool:
        if not self._write(expected):
            return False
        # Where conditions count, nobody can write between. Where they are ignored, let whoever wrote meanwhile finish.
        if not self._conditions_count():
            time.sleep(SETTLE_S)
        return self._state(self._read()) == "mine"

    def _write(self, expected: bytes | None) -> bool:
        """Replace `expected` (None: no lease) by this run's; False when another one was faster."""
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
                return self._state(self._read()) == "mine"
            with files.naming(self._path, "written"):
                raise
        return True

    def _conditions_count(self) -> bool:
        """Whether the server refuses to create what is there: tried on the lease itself, just written."""
        body = self._read()
        try:
            self._fs.pipe_file(self._path, body or b"", mode="create")
        except Exception as error:
            return files.is_conflict(error)
        return False

    def _read(self) -> bytes | None:
        try:
            return files.read_bytes(self._fs, self._path)
        except FileNotFoundError:
            return None


def is_live(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Whether a run of any machine holds the lease at `path`."""
    try:
        return state_of(files.read_bytes(fs, path), None, silent=_is_old(fs, path)) == "held"
    except FileNotFoundError:
        return False


def state_of(body: bytes | None, owner: str | None, *, silent: bool) -> State:
    """What the lease that reads `body` is to `owner`; `silent`: nothing changed for as long as the caller is patient."""
    if body is None:
        return "free"
    holder = _holder(body)
    if owner is not None and holder.get("owner") == owner:
        return "mine"
    if has_ended(holder):
        return "gone"
    return "silent" if silent else "held"


def _is_old(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    try:
        return files.age_s(fs, path) >= LIVE_S
    except FileNotFoundError:
        return True


def _holder(body: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(body)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
