"""Dynamic batching: requests of all clients wait in one queue, and one thread scores them.

Requests wait in groups that share an answer, first come first served by the group's first request, so that pairs which
clients send one by one are scored in one pass over their answer.
"""

import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

from ifrl_core.reward_model.model.scorer import Probabilities, Scorer
from ifrl_core.reward_model.serve.device import device_fault
from ifrl_core.reward_model.serve.limits import Limits
from ifrl_core.reward_model.serve.metrics import Metrics

log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """The queue has no room; `retry_after` (seconds) is when it should have some, at the present speed."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Request:
    answer: str
    constraints: tuple[str, ...]
    future: Future[Probabilities] = field(default_factory=Future)


class BrokenError(Exception):
    """The device has failed: nothing is scored any more in this process."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"the device has failed, and the service has to be started again: {fault}")


class Batcher:
    """`submit` from any thread between `start` and `close`. `fault`: what the device failed with, once it has; after that
    nothing is accepted."""

    def __init__(self, scorer: Scorer, limits: Limits, metrics: Metrics) -> None:
        self._scorer, self._limits, self._metrics = scorer, limits, metrics
        self._changed = Condition()
        self._groups: dict[str, list[_Request]] = {}  # by answer, in order of arrival
        self._waiting = 0  # pairs in the groups
        self._unanswered = 0  # pairs in the groups and in the batch at work
        self._pairs_per_second = 0.0
        self._closed = False
        self.fault = ""
        self._thread = Thread(target=self._work, name="scoring", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Score what was accepted, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def submit(self, answer: str, constraints: Sequence[str]) -> Future[Probabilities]:
        """Probabilities in the order of the constraints, None where a pair could not be scored.

        Raises:
            QueueFullError: when the constraints do not fit into the queue.
            BrokenError: when the device has failed.
            RuntimeError: after `close`.
        """
        request = _Request(answer, tuple(constraints))
        with self._changed:
            if self.fault:
                raise BrokenError(self.fault)
            if self._closed:
                raise RuntimeError("the service is shutting down")
            if self._unanswered + len(constraints) > self._limits.queue_pairs:
                raise QueueFullError(self._retry_after())
            self._groups.setdefault(answer, []).append(request)
            self._waiting += len(constraints)
            self._count(len(constraints))
            self._changed.notify()
        return request.future

    def _work(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Request]:
        """At least one request; none when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._groups or self._closed)
            self._changed.wait_for(self._enough, timeout=self._limits.gather_seconds)
            batch: list[_Request] = []
            pairs = 0
            while self._groups and pairs < self._limits.batch_pairs:
                group = self._groups.pop(next(iter(self._groups)))
                batch += group
                pairs += sum(len(request.constraints) for request in group)
            self._waiting -= pairs
            return batch

    def _enough(self) -> bool:
        return self._closed or self._waiting >= self._limits.batch_pairs

    def _answer(self, batch: list[_Request]) -> None:
        waiting = [request for request in batch if request.future.set_running_or_notify_cancel()]
        pairs = [(request.answer, constraint) for request in waiting for constraint in request.constraints]
        start = time.monotonic()
        try:
            if self.fault:  # these were accepted before it
                raise BrokenError(self.fault)
            probabilities = self._scorer.probabilities(pairs)
        except Exception as error:
            if not self.fault:
                log.exception("a batch of %d pairs could not be scored", len(pairs))
            self._metrics.failures.inc()
            self._look_for_fault(error)
            self._make_room(batch)
            for request in waiting:
                request.future.set_exception(error)
        else:
            self._observe(waiting, probabilities, time.monotonic() - start)
            self._make_room(batch)
            rest = iter(probabilities)
            for request in waiting:
                request.future.set_result([next(rest) for _ in request.constraints])

    def _look_for_fault(self, error: Exception) -> None:
        if (fault := device_fault(error)) and not self.fault:
            log.error("the device has failed: /health says so, and nothing more is scored until a new start: %s", fault)
            self.fault = fault
            self._metrics.healthy.set(0)

    def _make_room(self, batch: list[_Request]) -> None:
        """Before the answers go out: a client that has its answer may ask again at once."""
        with self._changed:
            self._count(-sum(len(request.constraints) for request in batch))

    def _count(self, pairs: int) -> None:
        self._unanswered += pairs
        self._metrics.queued.set(self._unanswered)

    def _observe(self, batch: list[_Request], probabilities: Probabilities, seconds: float) -> None:
        self._metrics.pairs.inc(len(probabilities))
        self._metrics.unscored.inc(sum(probability is None for probability in probabilities))
        self._metrics.batch_pairs.observe(len(probabilities))
        self._metrics.batch_answers.observe(len({request.answer for request in batch}))
        self._metrics.batch_seconds.observe(seconds)
        speed = len(probabilities) / max(seconds, 1e-6)
        self._pairs_per_second = speed if not self._pairs_per_second else 0.8 * self._pairs_per_second + 0.2 * speed

    def _retry_after(self) -> int:
        """Whole seconds until half of the queue is done."""
        return max(1, math.ceil(self._unanswered / 2 / self._pairs_per_second)) if self._pairs_per_second else 1
