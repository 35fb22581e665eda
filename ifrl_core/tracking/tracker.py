"""The tracker of a run: one parent per pipeline, one child per stage. An entry goes to MLflow, or into the journal.

    with Tracker.start(uri, folder, "run-1", tags, store, journal=journal_of(store, "run-1")) as tracker:
        tracker.params(config.model_dump())
        with tracker.child("policy", {"fingerprint": ...}) as child:
            child.live({"reward/total": 0.4}, step=1)
            child.stage(ref, inputs)

Tracking never stops a run: what a server that is down does not take is written into the run's journal, and `ifrl track sync`
sends it later. The truth of every figure is the manifest. A task in another process makes its own `Tracker(run)` of the
run's address.
"""

import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import IfrlError
from ifrl_core.stages.progress import Table
from ifrl_core.text.masking import masked, masked_document
from ifrl_core.tracking import journal, sink
from ifrl_core.tracking.entries import (
    End,
    Entry,
    Line,
    Params,
    Points,
    Registered,
    Samples,
    StageDone,
    Start,
    StoredFile,
    now_ms,
)

log = logging.getLogger(__name__)

OWED_ID = "ifrl.owed_id"  # tag: the id that a run had until MLflow took it
PENDING = "pending"  # the version of a model that MLflow has not taken yet
_OWED = "owed-"
_PAUSE_S = 30.0  # so long a server that did not answer is not asked again
_down_until: dict[str, float] = {}


class TrackedRun(BaseModel):
    """The address of one MLflow run: what a task needs to log into it from another thread or process. `uri` is masked.

    `journal` is where entries go that MLflow does not take; empty: nowhere, and then an outage is an error. A run that
    MLflow could not start has an id of ours (`is_owed`). `experiment_id` is empty when MLflow never said it.
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    run_id: str
    journal: str = ""
    experiment_id: str = ""

    @property
    def is_owed(self) -> bool:
        return self.run_id.startswith(_OWED)


class Tracker:
    """Logs into one run; as a context, it ends the run: FINISHED, or FAILED when the block raises.

    `store` is needed for entries that name artifacts (`stage`, `file`, `register`).
    """

    def __init__(self, run: TrackedRun, store: ArtifactStore | None = None) -> None:
        self.run, self._store = run, store

    @classmethod
    def start(
        cls,
        uri: str,
        artifact_folder: str | None,
        name: str,
        tags: Mapping[str, str],
        store: ArtifactStore | None = None,
        *,
        journal: str = "",
    ) -> "Tracker":
        """Begin a run in the experiment `ifrl`; `artifact_folder` places files of a local store."""
        place = TrackedRun(uri=masked(uri), run_id="", journal=journal)
        try:
            place = place.model_copy(update={"experiment_id": sink.open_experiment(uri, artifact_folder)})
        except Exception as error:
            if not journal or not sink.is_outage(error):
                raise
            _note_outage(place, error)
        return cls(place, store)._begun(name, tags, parent=None)

    def child(self, name: str, tags: Mapping[str, str]) -> "Tracker":
        """Begin a run below this one; below a run that MLflow has not, it is owed as well."""
        return self._begun(name, tags, parent=self.run.run_id)

    def end(self, status: str = "FINISHED") -> None:
        self._record(End(time=now_ms(), status=status))

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end("FINISHED" if error is None else "FAILED")

    def params(self, document: Mapping[str, object]) -> None:
        """Log a nested config as dotted params."""
        self._record(Params(time=now_ms(), params=sink.flat_params(masked_document(document))))

    def live(self, metrics: Mapping[str, float], step: int, *, at: int | None = None) -> None:
        """Log metrics while a stage runs; `at`: when they were made, in milliseconds since 1970 (None: now). It raises
        nothing: where there is no journal, or that cannot be written, a failing server costs points and a warning."""
        with _costs_a_warning(f"{len(metrics)} metrics of step {step}"):
            self._record(Points(time=at or now_ms(), metrics=dict(metrics), step=step), gathered=True)

    def samples(self, rows: Table, *, at: int | None = None) -> None:
        """Append rows to the run's table of samples, which MLflow shows. It raises nothing, as `live`."""
        with _costs_a_warning(f"{len(rows)} sample rows"):
            self._record(Samples(time=at or now_ms(), rows=[dict(row) for row in rows]), gathered=True)

    def stage(self, ref: ArtifactRef, inputs: Mapping[str, ArtifactRef]) -> None:
        """What a committed artifact says of itself: params, figures, cost, lineage, small files, fingerprint."""
        self._record(StageDone(time=now_ms(), ref=ref, inputs=dict(inputs)))

    def file(self, ref: ArtifactRef, name: str) -> None:
        """A file of an artifact beside the run."""
        self._record(StoredFile(time=now_ms(), ref=ref, name=name))

    def register(
        self, ref: ArtifactRef, *, name: str, alias: str, metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> str:
        """Register the model of an artifact; returns its version, PENDING when MLflow does not answer."""
        metrics, tags = dict(metrics), dict(tags)
        entry = Registered(time=now_ms(), ref=ref, name=name, alias=alias, metrics=metrics, tags=tags)
        return self._record(entry) or PENDING

    def flush(self) -> None:
        """Write down the live metrics and samples that are still gathered for the journal."""
        if self.run.journal:
            with _costs_a_warning("the last live metrics"):
                journal.flush(self.run.journal)

    def end_earlier_attempts(self, tag: str, value: str) -> int:
        """Mark as KILLED what else carries the tag and is said to be running, children included; returns how many.

        For a run that starts again after it was killed: nobody else is left to end what its first attempt began. A server
        that does not answer keeps them as they are, with a warning.
        """
        if self.run.is_owed:
            return 0
        try:
            return sink.end_other_runs(self.run.uri, self.run.experiment_id, self.run.run_id, tag, value)
        except MlflowException as error:
            if not sink.is_outage(error):
                raise
            log.warning("MLflow does not answer: what the killed attempt began may stay open there: %s", error)
            return 0

    @property
    def url(self) -> str | None:
        """The run's page on an MLflow server; None where there is none, or not yet."""
        return None if self.run.is_owed else sink.run_url(self.run.uri, self.run.run_id)

    def _begun(self, name: str, tags: Mapping[str, str], parent: str | None) -> "Tracker":
        entry = Start(
            time=now_ms(),
            name=name,
            tags=masked_document(dict(tags)),
            parent=parent,
            experiment_id=self.run.experiment_id,
        )
        owed_id = f"{_OWED}{uuid.uuid4().hex}"
        run_id = self._record(entry, owed_id=owed_id) or owed_id
        return Tracker(self.run.model_copy(update={"run_id": run_id}), self._store)

    def _record(self, entry: Entry, *, gathered: bool = False, owed_id: str = "") -> str:
        """The one sink: MLflow, and while it does not answer the run's journal (`gathered`: a few seconds' lines as one).

        Returns what `sink.send` does, empty when MLflow is owed the entry. Without a journal an outage is raised.
        `owed_id` names a run that this entry begins.
        """
        run = self.run
        if not run.is_owed and not (run.journal and _is_down(run)):
            try:
                return sink.send(entry, run.uri, run.run_id, self._store)
            except Exception as error:
                if not run.journal or not (sink.is_outage(error) or _may_wait(entry, error)):
                    raise
                _note(run, entry, error)
        line = Line(run=owed_id or run.run_id, entry=entry)
        if gathered:
            journal.gather(run.journal, line)
        else:
            journal.keep(run.journal, [line])
        return ""


@contextmanager
def _costs_a_warning(what: str) -> Iterator[None]:
    """Inside, what fails costs `what` and a warning, never the work that it is told of."""
    try:
        yield
    except Exception as error:
        log.warning("MLflow did not take %s: %s", what, error)


def _may_wait(entry: Entry, error: Exception) -> bool:
    """Whether a run goes on without an entry that MLflow refuses: it stays owed, and a sync says what became of it. Without
    a run nothing can be logged, and a model that is not registered was asked for."""
    return not isinstance(error, IfrlError) and not isinstance(entry, Start | Registered)


def _note(run: TrackedRun, entry: Entry, error: Exception) -> None:
    if sink.is_outage(error):
        _note_outage(run, error)
    else:
        log.warning("MLflow refuses the %s of a run, which is kept in %s: %s", entry.kind, run.journal, error)


def _is_down(run: TrackedRun) -> bool:
    return time.monotonic() < _down_until.get(run.uri, 0.0)


def _note_outage(run: TrackedRun, error: Exception) -> None:
    _down_until[run.uri] = time.monotonic() + _PAUSE_S
    log.warning("MLflow at %s does not answer; what it should hold is kept in %s: %s", run.uri, run.journal, error)
