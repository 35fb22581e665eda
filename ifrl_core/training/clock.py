"""Where the seconds of a step go."""

import time
from dataclasses import dataclass


@dataclass
class StepClock:
    """Seconds of the present step: those who generate and score add to it, the rest is training."""

    generate: float = 0.0
    score: float = 0.0
    _start: float = 0.0
    _end: float = 0.0

    def start(self) -> None:
        self.generate = self.score = 0.0
        self._start = time.perf_counter()

    def stop(self) -> None:
        self._end = time.perf_counter()

    def split(self) -> dict[str, float]:
        """`seconds/step` and its parts; training is everything but generation and scoring."""
        step = self._end - self._start
        return {
            "seconds/step": step,
            "seconds/generate": self.generate,
            "seconds/score": self.score,
            "seconds/train": max(0.0, step - self.generate - self.score),
        }
