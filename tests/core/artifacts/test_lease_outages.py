"""Outages of the store while one run holds a lease and another waits for it, in simulated time: no live lease is taken.

The lease is the real one; the store is a dictionary with S3's conditional writes that fails for whom and when it is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from ifrl_core.artifacts import lease
from ifrl_core.artifacts.lease import BEAT_S, PATIENCE_S, HeldError, Lease
from ifrl_core.errors import StoreOutageError

PATH = "bucket/.locks/x.lock"
REQUEST_S = 35.0  # that a holder's request is tried for while nobody answers


class Ended(BaseException):
    """The simulation is over: nothing that handles errors handles it."""


@dataclass
class Time:
    """One clock for all; what is due at a moment happens when it is reached."""

    now: float = 0.0
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and min(self.due, key=lambda item: item[0])[0] <= end:
            item = min(self.due, key=lambda item: item[0])
            self.due.remove(item)
            self.now = max(self.now, item[0])
            item[1]()
        self.now = max(self.now, end)


@dataclass
class Store:
    """What `Lease` asks of a filesystem, as one run reaches it: `away` says when it does not."""

    time: Time
    objects: dict[str, tuple[bytes, float]]
    away: Callable[[float], bool]
    protocol: str = "s3"
    skew_s: float = 0.0

    def cat_file(self, path: str, **_: Any) -> bytes:
        self._reach()
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][0]

    def info(self, path: str) -> dict[str, Any]:
        body = self.cat_file(path)
        return {"ETag": body, "LastModified": datetime.fromtimestamp(self.objects[path][1], UTC), "size": len(body)}

    def pipe_file(self, path: str, body: bytes, mode: str = "overwrite", IfMatch: bytes | None = None) -> None:  # noqa: N803
        self._reach()
        there = self.objects.get(path, (None, 0.0))[0]
        if (mode == "create" and there is not None) or (IfMatch is not None and there != IfMatch):
            raise FileExistsError("PreconditionFailed")
        self.objects[path] = (body, self.time.now + self.skew_s)

    def rm_file(self, path: str) -> None:
        self.cat_file(path)
        del self.objects[path]

    def _reach(self) -> None:
        if self.away(self.time.now):
            raise ConnectionError("the store does not answer")


def never(now: float) -> bool:
    return False


def between(start: float, end: float) -> Callable[[float], bool]:
    return lambda now: start <= now < end


def simulated(
    monkeypatch: pytest.MonkeyPatch,
    waiter_away: Callable[[float], bool],
    holder_away: Callable[[float], bool],
    *,
    holder_dies: float = float("inf"),
    until: float = 2000.0,
) -> float | None:
    """When the waiter takes the lease of a holder on another machine; None: not within the simulation."""
    clock, objects = Time(), dict[str, tuple[bytes, float]]()
    monkeypatch.setattr(lease, "has_ended", lambda holder: False)  # of another machine it cannot be known
    holder = Lease(Store(clock, objects, holder_away), PATH, now=lambda: clock.now, sleep=clock.pass_by)
    holder.acquire(lambda: None)

    def beat() -> None:
        tried_s = REQUEST_S if holder_away(clock.now) else 0.0
        if clock.now < holder_dies and holder.beat():
            clock.due.append((clock.now + tried_s + BEAT_S, beat))

    clock.due += [(BEAT_S, beat), (until, _end)]
    waiter = Lease(Store(clock, objects, waiter_away), PATH, now=lambda: clock.now, sleep=clock.pass_by)
    try:
        waiter.acquire(lambda: None)
    except Ended:
        return None
    return clock.now


def _end() -> None:
    raise Ended


@pytest.mark.parametrize("seconds", [60, 120, 300])
@pytest.mark.parametrize("who", ["waiter", "both"])
def test_who_could_not_look_takes_no_live_lease(monkeypatch: pytest.MonkeyPatch, seconds: float, who: str) -> None:
    for start in (61.0, 64.5, 69.9):
        outage = between(start, start + seconds)
        assert simulated(monkeypatch, outage, outage if who == "both" else never) is None


def test_outage_upon_outage_takes_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def flaky(now: float) -> bool:
        return now > 30 and now % 70 < 55

    assert simulated(monkeypatch, flaky, flaky) is None


def test_a_dead_holder_is_followed_once_it_was_looked_at_for_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = simulated(monkeypatch, never, never, holder_dies=100)
    assert taken is not None
    assert PATIENCE_S < taken - 90 < PATIENCE_S + 20
    taken = simulated(monkeypatch, between(110, 410), never, holder_dies=100)
    assert taken is not None
    assert 410 + PATIENCE_S < taken < 410 + PATIENCE_S + 20


def test_a_holder_that_alone_was_cut_off_learns_that_it_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = simulated(monkeypatch, never, between(61, 361))
    assert taken is not None
    assert taken < 361


def test_a_store_that_does_not_answer_at_first_is_an_error() -> None:
    clock = Time()
    waiter = Lease(Store(clock, {}, lambda now: True), PATH, now=lambda: clock.now, sleep=clock.pass_by)
    with pytest.raises(StoreOutageError):
        waiter.acquire(lambda: None)


@pytest.mark.parametrize("skew_s", [-7200.0, 0.0, 7200.0])
def test_who_does_not_wait_goes_by_the_clock_of_the_store(monkeypatch: pytest.MonkeyPatch, skew_s: float) -> None:
    """This machine's clock is hours before or behind the store's."""
    clock, objects = Time(now=1e6), dict[str, tuple[bytes, float]]()
    monkeypatch.setattr(lease, "has_ended", lambda holder: False)
    monkeypatch.setattr("ifrl_core.artifacts.files.time.time", lambda: clock.now)
    store: Any = Store(clock, objects, never, skew_s=skew_s)
    Lease(store, PATH).acquire(lambda: None)
    clock.pass_by(30)
    with pytest.raises(HeldError):
        Lease(store, PATH).acquire(lambda: None, wait=False)
    assert lease.is_live(store, PATH)
    assert set(objects) == {PATH}, "a probe was left behind"
    clock.pass_by(lease.LIVE_S)
    assert lease.is_live(store, PATH) == (skew_s > 0), "a clock that is behind spares it longer, which costs time alone"
