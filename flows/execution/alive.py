"""What an outage of the Prefect server makes wrong of a run that lives: it is taken for dead, and ends of its tasks get lost.

The automation ifrl-no-heartbeat marks a run as Crashed that was not heard of for 90 s, and after an outage of the server that
is every run. What follows, another start, and a pipeline that gives its stage up, waits long enough for the run to object.

States of task runs are events, of which Prefect's client loses some that it could not send: those are told again at the end.
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
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter, TaskRunFilterState
from prefect.client.schemas.filters import TaskRunFilterStateType as OfType
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed, Running

from tasks.telling import best_effort

TAKEN_FOR_DEAD = "No heartbeat for"  # so the message of the automation begins (deployments/server.yaml)
OBJECTION = "It was taken for dead, and it runs"
OBJECTS_WITHIN_S = 15.0  # of the server's answering again
_LOOK_S = 10.0
_LOOK_AGAIN_S = 1.0  # around an outage: another start follows 10 s after the mark
_AFTER_OUTAGE_S = 60.0
_EVENTS_WITHIN_S = 10.0

log = logging.getLogger("ifrl_core.run")


def is_taken_for_dead(state: State[Any] | None) -> bool:
    """Whether nothing but silence says that a run is dead."""
    return state is not None and state.is_crashed() and (state.message or "").startswith(TAKEN_FOR_DEAD)


def has_objected(state: State[Any] | None) -> bool:
    """Whether a run set itself back to Running, which the server counts as one more attempt, and which is none."""
    return state is not None and state.is_running() and state.message == OBJECTION


class Doubt:
    """Whether a run that is taken for dead may still object: what looks at another run asks with every state it sees."""

    def __init__(self) -> None:
        self._since: float | None = None  # time.monotonic

    def of(self, state: State[Any]) -> bool:
        now = time.monotonic()
        self._since = (self._since or now) if is_taken_for_dead(state) else None
        return self._since is not None and now - self._since < OBJECTS_WITHIN_S


@contextmanager
def outlives_outages() -> Iterator[None]:
    """Inside, this flow run sets itself back to Running when it is taken for dead; at a good end no task of it seems open."""
    if flow_run.id is None:
        yield
        return
    watch, ended = _Watch(UUID(flow_run.id), flow_run.run_count), threading.Event()
    arguments = (watch.until, ended)
    thread = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True, name="alive")
    thread.start()
    try:
        yield
        if watch.away_at is not None:
            with best_effort("how the tasks of this run ended"):
                _end_tasks(watch.own)
    finally:
        ended.set()
        thread.join(_LOOK_AGAIN_S)  # the state that follows is the engine's


class _Watch:
    """A look at the run's own state every few seconds. `away_at`: when the server did not answer last (time.monotonic)."""

    def __init__(self, own: UUID, attempt: int) -> None:
        self.own, self._attempt = own, attempt
        self.away_at: float | None = None

    def until(self, ended: threading.Event) -> None:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while not ended.wait(self._pause_s()):
                try:
                    self._look(ended)
                except (httpx.HTTPError, OSError, ObjectNotFound):
                    self.away_at = time.monotonic()

    def _pause_s(self) -> float:
        lately = self.away_at is not None and time.monotonic() - self.away_at < _AFTER_OUTAGE_S
        return _LOOK_AGAIN_S if lately else _LOOK_S

    def _look(self, ended: threading.Event) -> None:
        with get_client(sync_client=True) as client:
            seen = client.read_flow_run(self.own)
            if seen.run_count == self._attempt and is_taken_for_dead(seen.state) and not ended.is_set():
                log.warning("the Prefect server took this run for dead while it was away: it runs")
                client.set_flow_run_state(self.own, Running(message=OBJECTION), force=True)
                self._attempt = client.read_flow_run(self.own).run_count


def _end_tasks(own: UUID) -> None:
    """All tasks of this run have ended well: tell it of those whose end has not arrived."""
    end = time.monotonic() + _EVENTS_WITHIN_S
    with get_client(sync_client=True) as client:
        while (open_ := open_task_runs(client, own)) and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN_S)
        for task_run in open_:
            client.set_task_run_state(task_run.id, Completed(message="Told after an outage"), force=True)


def open_task_runs(client: SyncPrefectClient, own: UUID) -> list[TaskRun]:
    """Task runs of a flow run that have not ended, as far as the server knows."""
    types = OfType(any_=[StateType.RUNNING, StateType.PENDING])
    state = TaskRunFilter(state=TaskRunFilterState(type=types, name=None))
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[own]))
    return client.read_task_runs(flow_run_filter=of_run, task_run_filter=state)
