"""Runs that were killed: whoever starts next in the same store ends them in MLflow and Prefect, where they are said to run.

    <root>/runs/<run>.begun    what a run has begun elsewhere; it goes when the run ends, however it ends, save by SIGKILL

A run holds a lock of its name for as long as it lives: on a local disk the kernel drops it, on an object store it is a lease.
So a run that is alive, here or on another machine, is never taken for dead.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed
from pydantic import BaseModel

from flows.execution.alive import has_objected, open_task_runs
from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.errors import ArtifactError, TrackingError
from ifrl_core.tracking import sink
from ifrl_core.tracking.journal import end_owed
from ifrl_core.tracking.tracker import TrackedRun

SUFFIX = ".begun"

log = logging.getLogger("ifrl_core.run")


class Begun(BaseModel):
    """What a run has begun: its MLflow run, and its Prefect flow run in the attempt that this is."""

    run: str
    tracked: TrackedRun
    flow_run_id: UUID
    attempt: int


@contextmanager
def begun(store: ArtifactStore, run: Begun) -> Iterator[None]:
    """Inside, the run lives; what it has begun is there for whoever finds that it was killed."""
    path = f"{store.folder('runs', run.run)}{SUFFIX}"
    with store.lock("runs", _lock_name(run.run)):
        files.write_bytes(store.fs, path, run.model_dump_json(indent=2).encode())
        try:
            yield
        finally:
            _forget(store, path, store.lock_path("runs", _lock_name(run.run)))


def end_killed_runs(store: ArtifactStore, *, own: UUID) -> list[str]:
    """End what killed runs of this store have begun; returns their names. `own`: the flow run that looks, which may be a
    later attempt of a killed one. What cannot be ended now, since a server does not answer, is left to the next run."""
    ended = []
    for path in _begun_paths(store):
        name = PurePosixPath(path).stem
        if store.is_locked("runs", _lock_name(name)):
            continue
        try:
            _end(Begun.model_validate_json(files.read_bytes(store.fs, path)), store, own)
            files.remove(store.fs, path)
        except FileNotFoundError:  # it has ended in the meantime, or another run ends it
            continue
        except Exception as error:  # of the store, MLflow or Prefect: another run's end holds nobody up
            log.warning("run %s was killed, and stays open where it is tracked until the next run: %s", name, error)
            continue
        log.warning("run %s was killed: it is ended in MLflow and in Prefect", name)
        ended.append(name)
    return ended


def _end(run: Begun, store: ArtifactStore, own: UUID) -> None:
    end_owed(store, run.run)
    if not run.tracked.is_owed:
        if not sink.answers(run.tracked.uri):
            raise TrackingError(f"MLflow at {run.tracked.uri} does not answer")
        sink.end_with_children(run.tracked.uri, run.tracked.experiment_id, run.tracked.run_id)
    if run.flow_run_id != own:
        with get_client(sync_client=True) as client:
            _end_flow_run(client, run)


def _end_flow_run(client: SyncPrefectClient, run: Begun) -> None:
    """Unless it is over, waits for another start, or another attempt runs; of another server it is not there at all."""
    try:
        seen = client.read_flow_run(run.flow_run_id)
    except ObjectNotFound:
        return
    other_attempt = seen.run_count != run.attempt and not has_objected(seen.state)
    if other_attempt or seen.state is None or not (seen.state.is_running() or seen.state.is_cancelling()):
        return
    message = f"Killed: run {run.run} was found dead by the next one"
    for task_run in open_task_runs(client, run.flow_run_id):
        client.set_task_run_state(task_run.id, Crashed(message=message), force=True)
    client.set_flow_run_state(run.flow_run_id, Crashed(message=message), force=True)


def _forget(store: ArtifactStore, *paths: str) -> None:
    try:
        for path in paths:
            files.remove(store.fs, path)
    except ArtifactError as error:  # the next run finds it ended wherever it looks
        log.warning("%s", error)


def _begun_paths(store: ArtifactStore) -> list[str]:
    folder = str(PurePosixPath(store.folder("runs", "x")).parent)
    try:
        return sorted(path for path in store.fs.ls(folder, detail=False) if path.endswith(SUFFIX))
    except FileNotFoundError:
        return []


def _lock_name(run: str) -> str:
    """Names of runs may be longer than those of locks."""
    return digest_of_bytes(run.encode())
