"""Sending MLflow what it is owed (journal.py). Sending twice doubles nothing, and a sync that is killed goes on.

One entry that cannot be sent keeps no other one back. What MLflow refuses is set aside at once; what it fails at although it
answers otherwise (its files may be away), or whose run it does not know, stays owed for TRIES syncs and is set aside then.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from mlflow.exceptions import MlflowException

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.errors import StoreOutageError, TrackingError
from ifrl_core.text.masking import masked
from ifrl_core.tracking import journal, sink
from ifrl_core.tracking.entries import End, Line, Start
from ifrl_core.tracking.journal import Synced
from ifrl_core.tracking.tracker import OWED_ID, TrackedRun, Tracker

log = logging.getLogger(__name__)

TRIES = 3
_GONE = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Sync:
    """What a sync did. `entries`: those it looked at. `lost`: those that can never be sent, because the artifact is gone or
    MLflow refuses it (the log names each); `owed`: what the next sync tries again; `run_id`: the run in MLflow, if known."""

    run: str
    entries: int
    lost: int
    owed: int
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


@dataclass
class _Sending:
    """What comes of the lines of one sync: MLflow's ids of owed runs, and the lines that were not sent."""

    uri: str
    store: ArtifactStore
    ids: dict[str, str]
    sent: int = 0
    owed: list[Line] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: MlflowException | None = None  # a run that MLflow does not know

    def send(self, line: Line) -> None:
        """Raises what says that MLflow or the store is away."""
        try:
            if isinstance(line.entry, Start):
                self.ids[line.run] = self.ids.get(line.run) or _begin(line.entry, line.run, self.ids, self.uri)
            elif TrackedRun(uri=self.uri, run_id=line.run).is_owed and line.run not in self.ids:
                self._keep_owed(line, "its run could not begin")
                return
            else:
                sink.send(line.entry, self.uri, self.ids.get(line.run, line.run), self.store)
        except StoreOutageError:
            raise
        except Exception as error:
            self._failed(line, error)
        else:
            self.sent += 1

    def _failed(self, line: Line, error: Exception) -> None:
        gone = isinstance(error, MlflowException) and error.error_code == _GONE
        if sink.is_outage(error) and not sink.answers(self.uri):
            raise error
        if gone or sink.is_outage(error):
            self.unknown = error if gone and isinstance(error, MlflowException) else self.unknown
            self._keep_owed(line, str(error))
        else:
            self._refuse(line, str(error))

    def _keep_owed(self, line: Line, why: str) -> None:
        if line.tries + 1 >= TRIES:
            self._refuse(line, f"{why} ({TRIES} times)")
            return
        log.warning("%s of run %s stays owed: %s", line.entry.kind, line.run, why)
        self.owed.append(line.model_copy(update={"tries": line.tries + 1}))

    def _refuse(self, line: Line, why: str) -> None:
        log.warning("%s of run %s cannot be sent and is set aside: %s", line.entry.kind, line.run, why)
        self.refused.append(line.model_dump_json())


def _sync(store: ArtifactStore, run: str, uri: str) -> Sync:
    paths, synced = journal.unsent(store, run), journal.read_synced(store, run)
    read = [journal.read_lines(store, path) for path in paths]
    lines, unread = [line for some, _ in read for line in some], [line for _, some in read for line in some]
    sending = _Sending(uri, store, dict(synced.runs), refused=list(unread))
    if unread:
        log.warning("%d lines that run %s owes MLflow cannot be read and are set aside", len(unread), run)
    # Runs first and their ends last, whatever the clocks of the machines that wrote this.
    for line in sorted(lines, key=lambda line: (not isinstance(line.entry, Start), isinstance(line.entry, End))):
        sending.send(line)
    if sending.unknown and not sending.sent:  # the wrong server, it seems: that costs no try
        raise sending.unknown
    _write_down(store, run, sending, [*synced.files, *(PurePosixPath(path).name for path in paths)])
    run_id, url = _mend_record(store, run, sending.ids, uri)
    return Sync(run, len(lines) + len(unread), len(sending.refused), len(sending.owed), run_id, url)


def _write_down(store: ArtifactStore, run: str, sending: _Sending, done: Sequence[str]) -> None:
    """What is owed still first: a kill in between sends something twice, which changes nothing."""
    of_run = journal.journal_of(store, run)
    if sending.owed:
        journal.keep(of_run, sending.owed)
    if sending.refused:
        journal.set_aside(of_run, sending.refused)
    journal.write_synced(store, run, Synced(files=list(done), runs=sending.ids))


def _begin(entry: Start, owed_id: str, ids: dict[str, str], uri: str) -> str:
    """The run that stands for `owed_id` in MLflow: one that an earlier, killed sync began, or a new one."""
    client = sink.open_client(uri)
    experiment_id = entry.experiment_id or sink.open_experiment(uri, None)
    begun = client.search_runs([experiment_id], f"tags.`{OWED_ID}` = '{owed_id}'", max_results=1)
    if begun:
        return str(begun[0].info.run_id)
    parent = ids.get(entry.parent, entry.parent) if entry.parent else None
    tags = {**entry.tags, OWED_ID: owed_id}
    return sink.send(entry.model_copy(update={"parent": parent, "tags": tags}), uri, "", None)


def _mend_record(store: ArtifactStore, run: str, ids: dict[str, str], uri: str) -> tuple[str | None, str | None]:
    """MLflow's run id and page of the run; its record, where there is one, gets them too."""
    path = f"{store.folder('runs', run)}.json"
    try:
        record = json.loads(files.read_bytes(store.fs, path))
    except FileNotFoundError:  # the run is still going, or was killed
        return None, None
    before = record["mlflow"]["run_id"]
    run_id = ids.get(before, before)
    uri = masked(uri)
    url = Tracker(TrackedRun(uri=uri, run_id=run_id)).url
    if before in ids:
        record["mlflow"] = {"uri": uri, "run_id": run_id, "url": url}
        files.write_bytes(store.fs, path, (json.dumps(record, indent=2) + "\n").encode())
    return run_id, url
