"""Sending MLflow what it is owed (journal.py). Sending twice doubles nothing, and a sync that is killed goes on."""

import json
import logging
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.errors import ArtifactError, StoreOutageError, TrackingError
from ifrl_core.tracking import journal, sink
from ifrl_core.tracking.entries import End, Line, Start
from ifrl_core.tracking.journal import Synced
from ifrl_core.tracking.tracker import OWED_ID, TrackedRun, Tracker

log = logging.getLogger(__name__)

_GONE = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Sync:
    """What a sync did. `lost`: entries that can never be sent, because their artifact is gone or MLflow refuses them (the log
    names each); `run_id`: the run in MLflow, if known."""

    run: str
    entries: int
    lost: int
    run_id: str | None
    url: str | None


def sync_run(store: ArtifactStore, run: str, uri: str) -> Sync:
    """Send the entries of one run that were not sent yet, and put MLflow's ids into the run's record.

    Raises:
        TrackingError: when MLflow does not answer, or is not the one that the run was started with; all stays owed.
    """
    try:
        with store.lock("tracking", run):  # two at once would both begin the runs
            return _sync(store, run, uri)
    except Exception as error:
        if sink.is_outage(error):
            raise TrackingError(
                f"MLflow at {uri} does not answer, so run {run} is still owed to it ({error}). Start it, or set "
                f"MLFLOW_TRACKING_URI, and run `ifrl track sync {run}`"
            ) from error
        if isinstance(error, MlflowException):
            raise TrackingError(
                f"MLflow at {uri} does not take run {run} ({error}). If it is not the server that the run was started with, "
                f"set MLFLOW_TRACKING_URI, and run `ifrl track sync {run}`"
            ) from error
        raise


def _sync(store: ArtifactStore, run: str, uri: str) -> Sync:
    paths, synced = journal.unsent(store, run), journal.read_synced(store, run)
    lines = [line for path in paths for line in journal.read_lines(store, path)]
    ids, lost = dict(synced.runs), 0
    # Runs first and their ends last, whatever the clocks of the machines that wrote this.
    for line in sorted(lines, key=lambda line: (not isinstance(line.entry, Start), isinstance(line.entry, End))):
        if isinstance(line.entry, Start):
            ids[line.run] = ids.get(line.run) or _begin(line.entry, line.run, ids, uri)
        else:
            lost += not _sent(line, ids, uri, store)
    sent = [*synced.files, *(PurePosixPath(path).name for path in paths)]
    journal.write_synced(store, run, Synced(files=sent, runs=ids))
    run_id, url = _mend_record(store, run, ids, uri)
    return Sync(run, len(lines), lost, run_id, url)


def _begin(entry: Start, owed_id: str, ids: dict[str, str], uri: str) -> str:
    """The run that stands for `owed_id` in MLflow: one that an earlier, killed sync began, or a new one."""
    client = MlflowClient(uri)
    experiment_id = entry.experiment_id or sink.open_experiment(uri, None)
    begun = client.search_runs([experiment_id], f"tags.`{OWED_ID}` = '{owed_id}'", max_results=1)
    if begun:
        return str(begun[0].info.run_id)
    parent = ids.get(entry.parent, entry.parent) if entry.parent else None
    tags = {**entry.tags, OWED_ID: owed_id}
    return sink.send(entry.model_copy(update={"parent": parent, "tags": tags}), uri, "", None)


def _sent(line: Line, ids: dict[str, str], uri: str, store: ArtifactStore) -> bool:
    try:
        sink.send(line.entry, uri, ids.get(line.run, line.run), store)
    except (ArtifactError, MlflowException) as error:
        if isinstance(error, StoreOutageError) or sink.is_outage(error) or getattr(error, "error_code", "") == _GONE:
            raise
        log.warning("%s of run %s cannot be sent: %s", line.entry.kind, line.run, error)
        return False
    return True


def _mend_record(store: ArtifactStore, run: str, ids: dict[str, str], uri: str) -> tuple[str | None, str | None]:
    """MLflow's run id and page of the run; its record, where there is one, gets them too."""
    path = f"{store.folder('runs', run)}.json"
    try:
        record = json.loads(files.read_bytes(store.fs, path))
    except FileNotFoundError:  # the run is still going, or was killed
        return None, None
    before = record["mlflow"]["run_id"]
    run_id = ids.get(before, before)
    url = Tracker(TrackedRun(uri=uri, run_id=run_id)).url
    if before in ids:
        record["mlflow"] = {"uri": uri, "run_id": run_id, "url": url}
        files.write_bytes(store.fs, path, (json.dumps(record, indent=2) + "\n").encode())
    return run_id, url
