"""A lease on an object store: the right of one run to make an artifact, or one file of it.

It is a small object that names its owner, who rewrites it every BEAT_S seconds. What a run does depends on what it finds:

    state    what the store holds                                   acquire     beat      check   release
    free     nothing                                                take        ends      error   -
    mine     this run's object                                      have it     rewrite   -       remove
    held     another run's, which gave a sign of life               wait        ends      error   -
    silent   another run's, which gave none for PATIENCE_S          take over   ends      error   -
    gone     another run's, of a process here that no longer runs   take over   ends      error   -

A sign of life is a change that is seen while waiting; no clocks are compared. Patience counts looks: only the time between
two looks that both saw the same lease is silence, LOOK_S at most of each. While the store does not answer nobody's silence is
known, and its holder, who cannot beat either, has PATIENCE_S from when it answers again. Who does not wait, and gc, cannot
see a sign of life: to them a lease is silent when it is older than LIVE_S by the store's own clock.

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
from ifrl_core.errors import ArtifactError, StoreOutageError

log = logging.getLogger(__name__)

BEAT_S = 10.0
PATIENCE_S = 60.0
SETTLE_S = 1.0
LIVE_S = 600.0  # 60 beats, so that clocks may differ by minutes
LOOK_S = 2.0  # what one look can add to silence
_POLL_S = 1.0

State = Literal["free", "mine", "held", "silent", "gone"]
TAKEABLE: frozenset[State] = frozenset({"free", "silent", "gone"})


class HeldError(Exception):
    """Another process holds the lock."""


class Lease:
    """The right to make what `path` stands for. See the module's head for its states and what it promises."""

    def __init__(
        self,
        fs: fsspec.AbstractFileSystem,
        path: str,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fs, self._path, self._now, self._sleep = fs, path, now, sleep
        self._owner = {**this_process(), "owner": uuid.uuid4().hex}
        self._beats = 0

    def acquire(self, on_wait: Callable[[], None], *, wait: bool = True) -> None:
        """Have the lease, if need be after waiting for its holder; `on_wait` is called once, when there is one.

        A store that stops answering while it waits is waited for as well.

        Raises:
            HeldError: when `wait` is False and another run holds it.
            StoreOutageError: when the store does not answer at first.
        """
        if not wait:
            self._acquire_now()
            return
        watch, waiting = _Watch(self._now), False
        while True:
            try:
                body = self._read()
                state = self._state(body, silent=watch.silence_s(body) > PATIENCE_S)
                if state == "mine" or (state in TAKEABLE and self._take(body)):
                    return
            except StoreOutageError as error:
                if not waiting:
                    raise
                if watch.missed():
                    log.warning("still waiting, though the store does not answer: %s", error)
            else:
                if body is not None and not waiting:
                    on_wait()
                    waiting = True
            self._sleep(_POLL_S)

    def _acquire_now(self) -> None:
        body = self._read()
        state = self._state(body, silent=_is_old(self._fs, self._path))
        if not (state == "mine" or (state in TAKEABLE and self._take(body))):
            raise HeldError(self._path)

    def keep(self, ended: threading.Event) -> None:
        """Beat every BEAT_S until `ended`, or until the lease is not this run's any more."""
        while not ended.wait(BEAT_S) and self.beat():
            pass

    def beat(self) -> bool:
        """Rewrite the lease; says whether it is worth another beat."""
        try:
            body = self._read()
            if self._state(body) != "mine":
                return False
            self._write(body)
        except Exception as error:  # the store may come back; `check` says it when it matters
            log.debug("%s: no heartbeat: %s", self._path, error)
        return True

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
            self._sleep(SETTLE_S)
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
        except Exception as error:  # a refusal has no type of its own
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
        except Exception as error:  # any other is taken for a server without conditions: the longer way
            return files.is_conflict(error)
        return False

    def _read(self) -> bytes | None:
        try:
            return files.read_bytes(self._fs, self._path)
        except FileNotFoundError:
            return None


class _Watch:
    """How long a lease has given no sign of life, as far as it was looked at."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: bytes | None = None
        self._looked: float | None = None  # when it was seen last; None: the look before failed
        self._silence_s = 0.0

    def silence_s(self, body: bytes | None) -> float:
        """A look that saw `body`; returns the seconds of silence so far."""
        now = self._now()
        if body != self._seen:
            self._silence_s = 0.0
        elif self._looked is not None:
            self._silence_s += min(LOOK_S, now - self._looked)
        self._seen, self._looked = body, now
        return self._silence_s

    def missed(self) -> bool:
        """A look that failed: the holder may not have been able to beat either, and silence is counted anew. Says whether
        it is the first one of an outage."""
        first = self._looked is not None
        self._looked, self._silence_s = None, 0.0
        return first


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
    """Whether the lease was written LIVE_S ago. This machine's clock may be wrong: what looks old by it is held against the
    store's, which dates a probe."""
    try:
        if files.age_s(fs, path) < LIVE_S:
            return False
        return files.store_age_s(fs, path) >= LIVE_S
    except FileNotFoundError:
        return True


def _holder(body: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(body)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
