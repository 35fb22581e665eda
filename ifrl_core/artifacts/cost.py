"""What making an artifact cost: wall seconds and the peak memory of the process and its children."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from pydantic import BaseModel, ConfigDict


class Cost(BaseModel):
    """`seconds` of wall time; `peak_rss_mb`: largest sampled resident memory (MiB) of the whole process tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = 0.0
    peak_rss_mb: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(seconds=self.seconds + other.seconds, peak_rss_mb=max(self.peak_rss_mb, other.peak_rss_mb))


class CostMeter:
    """Measures from construction to `stop`. The tree is sampled twice a second by a daemon thread."""

    def __init__(self, interval_s: float = 0.5) -> None:
        self._start = time.monotonic()
        self._peak_mb = tree_rss_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, args=(interval_s,), daemon=True)
        self._thread.start()

    def stop(self) -> Cost:
        self._done.set()
        self._thread.join()
        return self.read()

    def read(self) -> Cost:
        """The cost so far."""
        seconds = round(time.monotonic() - self._start, 3)
        return Cost(seconds=seconds, peak_rss_mb=round(max(self._peak_mb, tree_rss_mb()), 1))

    def _sample(self, interval_s: float) -> None:
        while not self._done.wait(interval_s):
            self._peak_mb = max(self._peak_mb, tree_rss_mb())


@contextmanager
def measured() -> Iterator[CostMeter]:
    """A meter that runs inside the block and ends with it."""
    meter = CostMeter()
    try:
        yield meter
    finally:
        meter.stop()


def tree_rss_mb() -> float:
    """Resident memory of this process and all its descendants, MiB (pages shared between them count twice)."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20
