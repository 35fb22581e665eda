"""A run that was taken for dead says that it lives.

The automation ifrl-no-heartbeat marks a run as Crashed that was not heard of for 90 s, and after an outage of the server that
is every run. What follows, another start, and a pipeline that gives its stage up, waits long enough for the run to object.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Running

TAKEN_FOR_DEAD = "No heartbeat for"  # so the message of the automation begins (deployments/server.yaml)
OBJECTS_WITHIN_S = 15.0  # of the server's answering again
_LOOK_S = 10.0
_LOOK_AGAIN_S = 1.0  # around an outage: another start follows 10 s after the mark
_AFTER_OUTAGE_S = 60.0

log = logging.getLogger("ifrl_core.run")


def is_taken_for_dead(state: State[Any] | None) -> bool:
    """Whether nothing but silence says that a run is dead."""
    return state is not None and state.is_crashed() and (state.message or "").startswith(TAKEN_FOR_DEAD)


class Doubt:
    """Whether a run that is taken for dead may still object: what looks at another run asks with every state it sees."""

    def __init__(self) -> None:
        self._since: float | None = None  # time.monotonic

    def of(self, state: State[Any]) -> bool:
        now = time.monotonic()
        self._since = (self._since or now) if is_taken_for_dead(state) else None
        return self._since is not None and now - self._since < OBJECTS_WITHIN_S


@contextmanager
def objects_to_being_dead() -> Iterator[None]:
    """Inside, this flow run sets itself back to Running when it is taken for dead."""
    if flow_run.id is None:
        yield
        return
    ended = threading.Event()
    arguments = (_watch, UUID(flow_run.id), flow_run.run_count, ended)
    thread = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True, name="alive")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LOOK_AGAIN_S)  # the state that follows is the engine's


def _watch(own: UUID, attempt: int, ended: threading.Event) -> None:
    away_at = -_AFTER_OUTAGE_S
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        while not ended.wait(_LOOK_AGAIN_S if time.monotonic() - away_at < _AFTER_OUTAGE_S else _LOOK_S):
            try:
                _look(own, attempt, ended)
            except (httpx.HTTPError, OSError, ObjectNotFound):
                away_at = time.monotonic()


def _look(own: UUID, attempt: int, ended: threading.Event) -> None:
    with get_client(sync_client=True) as client:
        seen = client.read_flow_run(own)
        if seen.run_count == attempt and is_taken_for_dead(seen.state) and not ended.is_set():
            log.warning("the Prefect server took this run for dead while it was away: it runs")
            client.set_flow_run_state(own, Running(message="It was taken for dead, and it runs"), force=True)
