"""Runs on another work pool that belong to a pipeline's run: started and waited for, and they never outlive it.

The one who waits cancels the child when it is cancelled or interrupted itself. For the case that it cannot (SIGKILL, a
machine that is gone) the child looks at its parent every ten seconds, and has itself cancelled when that no longer waits.
"""

import contextvars
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelling

from flows.execution.alive import Doubt, has_objected
from ifrl_core.errors import PlacementError
from tasks.telling import is_outage

ATTEMPTS = 3  # of a child that crashes: its process or machine went, and its work goes on from what was committed
_POLL_S = 2.0
_WATCH_S = 10.0
_LAST_RESORT_S = 60.0  # for the worker to end a cancelled child; then the child ends itself

log = logging.getLogger("ifrl_core.run")


def run_child(deployment: str, parameters: dict[str, Any]) -> State[Any]:
    """Run a deployment as a subflow of this run and wait for its final state. One that crashes is started again.

    Raises:
        PlacementError: when there is no such deployment.
    """
    for attempt in range(1, ATTEMPTS + 1):
        state = _run_once(deployment, parameters)
        if not state.is_crashed() or attempt == ATTEMPTS:
            break
        log.warning("%s crashed: %s; attempt %d of %d follows", deployment, state.message, attempt + 1, ATTEMPTS)
    return state


def check_deployments(names: Iterable[str]) -> None:
    """Whether the server has what stages will be started as, before any of them works.

    Raises:
        PlacementError: naming the first that it has not.
    """
    for name in names:
        try:
            with get_client(sync_client=True) as client:
                client.read_deployment_by_name(name)
        except ObjectNotFound as error:
            raise PlacementError(
                f"execution places stages as deployment {name}, which the Prefect server does not have: `ifrl deploy` makes "
                "those of ifrl; or correct execution.pool or execution.deployments"
            ) from error
        except httpx.HTTPError as error:  # an outage: it is asked again when the stage is due
            log.warning("the Prefect server does not say whether it has %s: %s", name, error)


@contextmanager
def while_parent_runs() -> Iterator[None]:
    """Inside, this run has itself cancelled as soon as the run that waits for it no longer does."""
    parent = flow_run.parent_flow_run_id
    if parent is None:
        yield
        return
    ended = threading.Event()
    watch = contextvars.copy_context().run
    thread = threading.Thread(target=watch, args=(_watch, UUID(parent), UUID(flow_run.id), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _run_once(deployment: str, parameters: dict[str, Any]) -> State[Any]:
    started = _started(deployment, parameters)
    try:
        return _final_state(started.id)
    except BaseException:  # SIGTERM, a cancelled run, Ctrl-C: nobody waits for it any more
        _cancel(started.id, "the run that waited for this one has ended")
        raise


def _started(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """A new run, started once the server answers; one whose start was told and never answered is not started twice."""
    key, away = str(uuid4()), _Away()
    while True:
        try:
            started = run_deployment(deployment, parameters=parameters, timeout=0, idempotency_key=key)
        except ObjectNotFound as error:
            raise PlacementError(
                f"the Prefect server has no deployment {deployment}: `ifrl deploy` creates those that ship with ifrl; a "
                "recipe names them under execution"
            ) from error
        except httpx.HTTPError as error:
            away.wait(error)
        else:
            assert isinstance(started, FlowRun)
            return started


def _final_state(run_id: UUID) -> State[Any]:
    """Poll until the run has ended, through any outage of the server. One that is taken for dead may object.

    Raises:
        ObjectNotFound: when someone has deleted the run.
        httpx.HTTPStatusError: when the server refuses to say.
    """
    away, doubt = _Away(), Doubt()
    while True:
        try:
            with _asking_once(), get_client(sync_client=True) as client:
                state = client.read_flow_run(run_id).state
        except httpx.HTTPError as error:
            away.wait(error)
            continue
        away.answered()
        if state is not None and state.is_final() and not doubt.of(state):
            return state
        time.sleep(_POLL_S)


def _asking_once() -> AbstractContextManager[Any]:
    """Inside, the client does not try again by itself: its pauses double, and would go on long after an outage."""
    return temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0})


class _Away:
    """An outage of the server, said once."""

    def __init__(self) -> None:
        self._said = False

    def wait(self, error: httpx.HTTPError) -> None:
        """Raise what asking again would not mend, else wait a little."""
        if not is_outage(error):
            raise error
        if not self._said:
            log.warning("the Prefect server does not answer (%s): waiting for it", error)
        self._said = True
        time.sleep(_POLL_S)

    def answered(self) -> None:
        self._said = False


def _watch(parent: UUID, own: UUID, ended: threading.Event) -> None:
    attempt, doubt = None, Doubt()
    while not ended.is_set():
        try:
            with _asking_once(), get_client(sync_client=True) as client:
                waiting = client.read_flow_run(parent)
        except ObjectNotFound:
            break
        except (httpx.HTTPError, OSError):
            log.debug("the Prefect server does not answer: the parent is looked at later")
        else:
            attempt = waiting.run_count if has_objected(waiting.state) else attempt or waiting.run_count
            waits = waiting.state is not None and (waiting.state.is_running() or doubt.of(waiting.state))
            if not waits or waiting.run_count != attempt:
                break
        ended.wait(_WATCH_S)
    if ended.is_set():
        return
    log.warning("the run that waits for this one, %s, has ended or begun anew: cancelling", parent)
    _cancel(own, "the run that waited for this one has ended or begun anew")
    if not ended.wait(_LAST_RESORT_S):
        os.kill(os.getpid(), signal.SIGTERM)


def _cancel(run_id: UUID, why: str) -> None:
    try:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelling(message=why))
    except (httpx.HTTPError, ObjectNotFound) as error:
        log.warning("flow run %s could not be cancelled: %s", run_id, error)
