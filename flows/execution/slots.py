"""Slots of a GPU pool: a global concurrency limit on the Prefect server, one slot a stage that works.

A slot is a lease of a minute that its holder renews, so a killed run gives it back within two minutes. The leases outlive a
restart of the server where it keeps them on disk: PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE =
prefect.server.concurrency.lease_storage.filesystem, in the server's environment.

Renewing is ours: Prefect's own `concurrency` gives up after some minutes without a server, and from then on the stage would
work without a slot that another one could take.
"""

import contextvars
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect import get_client
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from ifrl_core.errors import PlacementError
from tasks.telling import is_outage

VARIABLE = "IFRL_SLOTS"
LEASE_S = 60.0  # the least that Prefect allows
_BEAT_S = LEASE_S / 3
_LONGEST_WAIT_S = 10.0  # between two looks for a free slot
_AGAIN_S = 2.0  # after an outage

log = logging.getLogger("ifrl_core.run")


class _TakenError(Exception):
    """No slot is free."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("no slot is free")
        self.wait_s = min(_LONGEST_WAIT_S, retry_after_s)


class _Slot:
    """One slot of the limit `name`, or none yet (`lease` None)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lease: UUID | None = None

    def wait(self) -> None:
        """Have a slot, for as long as that takes; a server that is away is waited for.

        Raises:
            PlacementError: when the server has no such limit.
            httpx.HTTPStatusError: when it refuses to say.
        """
        while self.lease is None:
            try:
                self.take()
            except _TakenError as taken:
                time.sleep(taken.wait_s)
            except httpx.HTTPError as error:
                if not is_outage(error):
                    raise
                log.warning("the Prefect server does not answer: waiting for a slot of %s: %s", self.name, error)
                time.sleep(_AGAIN_S)

    def take(self) -> None:
        """Ask for a slot once. Raises _TakenError, PlacementError, httpx.HTTPError."""
        try:
            with get_client(sync_client=True) as client:
                answer = client.increment_concurrency_slots_with_lease([self.name], 1, "concurrency", LEASE_S).json()
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.LOCKED:
                raise _TakenError(float(error.response.headers.get("Retry-After", _AGAIN_S))) from None
            raise
        if not answer["limits"]:
            raise PlacementError(
                f"{VARIABLE} names the concurrency limit {self.name!r}, and the Prefect server has none of that name: "
                "`ifrl deploy` creates the limits of the GPU pools"
            )
        self.lease = UUID(answer["lease_id"])

    def keep(self, ended: threading.Event) -> None:
        """Renew the slot until `ended`, through any outage; one that was lost meanwhile is taken again when one is free."""
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            wait_s = _BEAT_S
            while not ended.wait(wait_s):
                wait_s = self._beat()

    def release(self) -> None:
        """Give the slot back; where the server is away, its lease ends by itself."""
        if self.lease is None:
            return
        try:
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 2}), get_client(sync_client=True) as client:
                client.release_concurrency_slots_with_lease(self.lease)
        except httpx.HTTPError as error:
            log.warning("the slot of %s is given back by itself, within a minute: %s", self.name, error)

    def _beat(self) -> float:
        """Renew it, or take it again; returns the seconds until the next time."""
        try:
            if self.lease is None:
                self.take()
                log.info("got a slot of %s again", self.name)
            else:
                with get_client(sync_client=True) as client:
                    client.renew_concurrency_lease(self.lease, LEASE_S)
        except _TakenError as taken:
            return taken.wait_s
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.GONE:
                log.warning("the slot of %s was lost while the Prefect server was away: taking one again", self.name)
                self.lease = None
            return _AGAIN_S
        except PlacementError as error:  # someone has removed the limit
            log.debug("%s", error)
        return _BEAT_S


@contextmanager
def slot() -> Iterator[None]:
    """Hold one slot of the limit that IFRL_SLOTS names; without it, nothing is held. Waits for as long as it takes.

    A server that is away costs neither the work nor the slot: the stage goes on, and the slot is its own again when the
    server answers, unless others have taken them all in the meantime.

    Raises:
        PlacementError: when the server has no such limit.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        yield
        return
    log.info("waiting for a slot of %s", name)
    held, ended = _Slot(name), threading.Event()
    held.wait()
    log.info("got a slot of %s", name)
    beats = threading.Thread(target=contextvars.copy_context().run, args=(held.keep, ended), daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join(_AGAIN_S)
        held.release()
