"""Where the seconds of a step go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = ("generate", "score", "forward", "backward", "optimizer")
AFTER = "measure"  # what a step is followed by, now and then


class StepClock:
    """Seconds of the present step by part; what happens within a part as another one counts for that alone."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._open: list[str] = []
        self._since = self._start = self._end = 0.0

    def start(self) -> None:
        self._spent.clear()
        self._start = time.perf_counter()

    def stop(self) -> None:
        self._end = time.perf_counter()

    def begin(self, part: str) -> None:
        """One of PARTS, or what is none of them."""
        self._count()
        self._open.append(part)

    def end(self) -> None:
        """Of the part begun last."""
        self._count()
        self._open.pop()

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """`begin` and `end`."""
        self.begin(part)
        try:
            yield
        finally:
            self.end()

    def split(self) -> dict[str, float]:
        """`seconds/step` and its parts; `train` is everything but generation and scoring. And AFTER, which is no part of it,
        where there was one."""
        step = self._end - self._start
        parts = {part: self._spent.get(part, 0.0) for part in PARTS}
        after = {AFTER: self._spent[AFTER]} if AFTER in self._spent else {}
        train = max(0.0, step - parts["generate"] - parts["score"])
        return {
            f"seconds/{name}": seconds for name, seconds in {"step": step, **parts, "train": train, **after}.items()
        }

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            part = self._open[-1]
            self._spent[part] = self._spent.get(part, 0.0) + now - self._since
        self._since = now
