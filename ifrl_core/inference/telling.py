"""Answers said as soon as each is there, so that whoever keeps them loses none that was given."""

from collections.abc import Callable, Sequence
from typing import Protocol, cast, runtime_checkable

from ifrl_core.inference.engine import Completion, Engine, Request, Sampling
from ifrl_core.stages.progress import Progress, Table

Answered = Callable[[int, Completion], None]  # the index of a request, and its completion


@runtime_checkable
class TellingEngine(Protocol):
    """An engine that does not keep its answers until it has all of them."""

    def generate_told(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered, progress: Progress
    ) -> None:
        """Call `answered` once for every request, in any order."""
        ...


def generate_told(
    engine: Engine,
    requests: Sequence[Request],
    sampling: Sampling,
    answered: Answered,
    progress: Progress,
    *,
    chunk: int = 128,
) -> None:
    """As `TellingEngine` does. An engine that cannot is given `chunk` requests at a time, which a kill may lose."""
    if isinstance(engine, TellingEngine):
        engine.generate_told(requests, sampling, answered, progress)
        return
    for start in range(0, len(requests), chunk):
        part = requests[start : start + chunk]
        completions = engine.generate(part, sampling, counted_from(start, len(requests), progress))
        for index, completion in enumerate(completions, start):
            answered(index, completion)


def counted_from(before: int, total: int, progress: Progress) -> Progress:
    """Progress of a part, told as progress of the whole."""

    def passed_on(done: int, _: int, message: str = "", *, samples: Table = (), **metrics: float) -> None:
        progress(before + done, total, message, samples=samples, **metrics)

    return cast(Progress, passed_on)
