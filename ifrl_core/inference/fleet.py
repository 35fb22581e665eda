"""Which server gets the next request: the least loaded one that is well, and what happens when servers fail; for models that
answer and reward models that score.

A server that could not be reached, was too slow or too busy rests, twice as long after each outage in a row; after a rest
it gets one request at a time until one is answered. Requests in flight during one outage count as one outage.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ifrl_core.errors import InferenceError

T = TypeVar("T")

_POLL_S = 0.02
_LONGEST_REST_S = 60.0
_LONGEST_ASKED_REST_S = 300.0  # by Retry-After


@dataclass
class Server:
    """One base URL and how it fares. `failures` are outages in a row, `outages` all of them."""

    url: str
    in_flight: int = 0
    sent: int = 0
    failures: int = 0
    outages: int = 0
    rests_until: float = 0.0  # time.monotonic
    problem: str = ""


@dataclass(frozen=True)
class Lease:
    """The right to send one request to a server; `outage` is how many it had had by then."""

    server: Server
    outage: int


class Fleet:
    """The servers of one engine. Used from one event loop at a time."""

    def __init__(self, urls: Sequence[str], *, concurrency: int, patience: int, first_rest_s: float) -> None:
        self.servers = [Server(url.rstrip("/")) for url in urls]
        self._concurrency = concurrency
        self._patience = patience
        self._first_rest_s = first_rest_s
        self.closed = False  # no request is sent any more

    async def borrow(self, avoid: Server | None = None) -> Lease:
        """Wait for a server with room, another than `avoid` where there is a choice.

        Raises:
            InferenceError: when every server has had `patience` outages in a row, or nothing is sent any more.
        """
        while True:
            if self.closed:
                raise InferenceError("another request of the same call has failed")
            if all(server.failures >= self._patience for server in self.servers):
                told = "; ".join(f"{server.url}: {server.problem}" for server in self.servers)
                raise InferenceError(
                    f"no server answers, each tried {self._patience} times or more with growing pauses ({told}); "
                    "start the servers, or correct their base URLs"
                )
            if server := self._choose(avoid):
                server.in_flight += 1
                server.sent += 1
                return Lease(server, server.outages)
            await asyncio.sleep(_POLL_S)

    def give_back(self, lease: Lease) -> None:
        """The request is over, however it ended."""
        lease.server.in_flight -= 1

    def answered(self, lease: Lease) -> None:
        if lease.outage == lease.server.outages:
            lease.server.failures = 0

    def failed(self, lease: Lease, problem: str, asked_rest_s: float | None = None) -> None:
        """An outage: the server rests as long as it asked for, else longer each time."""
        server = lease.server
        server.problem = problem
        if lease.outage != server.outages:
            return  # sent before an outage that is known already
        server.outages += 1
        server.failures += 1
        rest = min(_LONGEST_REST_S, self._first_rest_s * 2.0 ** (server.failures - 1))
        if asked_rest_s is not None:
            rest = min(_LONGEST_ASKED_REST_S, asked_rest_s)
        server.rests_until = time.monotonic() + rest

    async def work_through(self, work: Callable[[], Coroutine[Any, Any, None]], requests: int) -> None:
        """Run `work`, which takes requests until none is left, as many times at once as the servers have room for.

        Raises the first error. Where a server is to blame, what the others have in flight is answered before.
        """
        count = min(requests, self._concurrency * len(self.servers))
        workers = [asyncio.create_task(work()) for _ in range(count)]
        try:
            await self._all_done(workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _all_done(self, workers: Sequence[asyncio.Task[None]]) -> None:
        if not workers:
            return
        ended, others = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        error = next((task.exception() for task in ended if task.exception()), None)
        if isinstance(error, InferenceError) and others:
            self.closed = True
            await asyncio.wait(others)
        if error:
            raise error

    def _choose(self, avoid: Server | None) -> Server | None:
        now = time.monotonic()
        ready = [
            server
            for server in self.servers
            if server.rests_until <= now and server.in_flight < (1 if server.failures else self._concurrency)
        ]
        return min(ready, key=lambda server: (server is avoid, server.in_flight, server.sent), default=None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; a date, which is rare, counts as not said."""
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
