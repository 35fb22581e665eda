"""Everything that talks to MLflow: one parent run per pipeline, one child per stage, datasets, live metrics, registry.

Runs are addressed by id through the client, never through MLflow's active run, so threads and processes cannot close each
other's runs. Tracking never stops a run: what a server that is down does not take is written into the run's journal
(tracking_journal.py), and `ifrl track sync` sends it later. The truth of every figure is the manifest.
"""

import json
import logging
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import BaseModel, ConfigDict
from requests.exceptions import RequestException

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest
from ifrl_core.models.sources import model_folder
from ifrl_core.settings import configure_tracking, mlflow_page
from ifrl_core.stages.progress import Table
from ifrl_core.tracking import journal
from ifrl_core.tracking.journal import (
    End,
    Entry,
    Line,
    Params,
    Points,
    Registered,
    StageDone,
    Start,
    StoredFile,
    now_ms,
)

log = logging.getLogger(__name__)
configure_tracking()  # a worker's process has no command line of ours that did

EXPERIMENT = "ifrl"
OWED_ID = "ifrl.owed_id"  # tag: the id that a run had until MLflow took it
PENDING = "pending"  # the version of a model that MLflow has not taken yet
_OWED = "owed-"
_SMALL_FILE = 4 << 20  # bytes; larger files stay in the store and are named by dataset inputs
_BATCH = 100  # MLflow's limit of params and tags per call
_PAUSE_S = 30.0  # so long a server that did not answer is not asked again
_OUTAGES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}
_down_until: dict[str, float] = {}


class TrackedRun(BaseModel):
    """The address of one MLflow run: what a task needs to log into it from another thread or process.

    `journal` is where entries go that MLflow does not take; empty: nowhere, and then an outage is an error. A run that
    MLflow could not start has an id of ours (`is_owed`).
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    run_id: str
    journal: str = ""

    @property
    def is_owed(self) -> bool:
        return self.run_id.startswith(_OWED)


def is_outage(error: BaseException) -> bool:
    """Whether MLflow, or what it keeps its files on, did not answer; anything else is a mistake that waiting cannot mend."""
    if isinstance(error, MlflowException):
        return error.error_code in _OUTAGES
    return isinstance(error, RequestException | ConnectionError | TimeoutError)


def open_experiment(uri: str, artifact_folder: str | None) -> str:
    """The id of the experiment `ifrl`, created when absent; `artifact_folder` places files of a local store."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifact_folder))


def find_experiment(uri: str, artifact_folder: str | None, journal_uri: str) -> str:
    """The same, and empty when MLflow does not answer: the run's entries then go into its journal."""
    try:
        return open_experiment(uri, artifact_folder)
    except Exception as error:
        if not is_outage(error):
            raise
        _note_outage(uri, journal_uri, error)
        return ""


def start_run(uri: str, experiment_id: str, name: str, tags: Mapping[str, str], journal_uri: str = "") -> TrackedRun:
    return _start(TrackedRun(uri=uri, run_id="", journal=journal_uri), None, experiment_id, name, tags)


def start_child(parent: TrackedRun, experiment_id: str, name: str, tags: Mapping[str, str]) -> TrackedRun:
    return _start(parent, parent.run_id, experiment_id, name, tags)


def end_run(run: TrackedRun, status: str = "FINISHED") -> None:
    _log(run, End(time=now_ms(), status=status))


def end_earlier_attempts(run: TrackedRun, experiment_id: str, tag: str, value: str) -> int:
    """Mark as KILLED what else carries the tag and is said to be running, children included; returns how many.

    For a run that starts again after it was killed: nobody else is left to end what its first attempt began. A server that
    does not answer keeps them as they are, with a warning.
    """
    if run.is_owed:
        return 0
    client, ended = MlflowClient(run.uri), 0
    try:
        for attempt in client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'"):
            if attempt.info.run_id == run.run_id:
                continue
            children = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{attempt.info.run_id}'")
            for item in (*children, attempt):
                if item.info.status == "RUNNING":
                    client.set_terminated(item.info.run_id, "KILLED")
                    ended += 1
    except MlflowException as error:
        if not is_outage(error):
            raise
        log.warning("MLflow does not answer: what the killed attempt began may stay open there: %s", error)
    return ended


def log_params(run: TrackedRun, document: Mapping[str, Any]) -> None:
    """Log a nested config as dotted params."""
    _log(run, Params(time=now_ms(), params=_params(document)))


def log_live(run: TrackedRun, metrics: Mapping[str, float], step: int) -> None:
    """Log metrics while a stage runs. A failing server costs a warning, and points only where there is no journal."""
    entry = Points(time=now_ms(), metrics=dict(metrics), step=step)
    if not run.is_owed and not (run.journal and _is_down(run.uri)):
        try:
            send(entry, run.uri, run.run_id, None)
            return
        except MlflowException as error:
            log.warning("MLflow did not take %d metrics of step %d: %s", len(metrics), step, error)
            if not run.journal or not is_outage(error):
                return
            _note_outage(run.uri, run.journal, error)
    journal.gather(run.journal, Line(run=run.run_id, entry=entry))


def flush(run: TrackedRun) -> None:
    """Write down the live metrics that are still gathered for the journal."""
    if run.journal:
        journal.flush(run.journal)


def log_samples(run: TrackedRun, rows: Table) -> None:
    """Append rows to the run's table samples.json, which MLflow shows. A failing server costs rows and a warning: the
    artifact of the stage has them too."""
    if run.is_owed or _is_down(run.uri):
        return
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    try:
        MlflowClient(run.uri).log_table(run.run_id, columns, "samples.json")
    except (MlflowException, RequestException, OSError) as error:  # the last two: where MLflow keeps its files
        log.warning("MLflow did not take %d sample rows: %s", len(rows), error)


def log_stage(run: TrackedRun, ref: ArtifactRef, store: ArtifactStore, inputs: Mapping[str, ArtifactRef]) -> None:
    """What a committed artifact says of itself: params, figures, cost, lineage, small files, fingerprint."""
    _log(run, StageDone(time=now_ms(), ref=ref, inputs=dict(inputs)), store)


def log_stored_file(run: TrackedRun, ref: ArtifactRef, name: str, store: ArtifactStore) -> None:
    """A file of an artifact beside the run."""
    _log(run, StoredFile(time=now_ms(), ref=ref, name=name), store)


def register_model(
    run: TrackedRun,
    ref: ArtifactRef,
    store: ArtifactStore,
    *,
    name: str,
    alias: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Register the model of an artifact; returns its version, PENDING when MLflow does not answer."""
    metrics, tags = dict(metrics), dict(tags)
    entry = Registered(time=now_ms(), ref=ref, name=name, alias=alias, metrics=metrics, tags=tags)
    return _log(run, entry, store) or PENDING


def register_folder(
    run: TrackedRun,
    folder: Path,
    name: str,
    alias: str,
    ref: ArtifactRef,
    metrics: Mapping[str, float],
    *,
    tags: Mapping[str, str] | None = None,
    at: int | None = None,
) -> str:
    """Register a model folder (safetensors) under `name`, set `alias` on it and return the version.

    A version made from the same fingerprint is used again instead of registered twice. `at` (milliseconds since 1970): when
    it should have been registered; the alias stays on a version that was made after that.
    """
    client, at = MlflowClient(run.uri), at or now_ms()
    version = _registered_version(client, name, ref.fingerprint)
    if version is None:
        mlflow.set_tracking_uri(run.uri)
        experiment_id = client.get_run(run.run_id).info.experiment_id
        model = client.create_logged_model(
            experiment_id,
            name=name,
            source_run_id=run.run_id,
            model_type="hf-safetensors",
            tags={"fingerprint": ref.fingerprint, "artifact": ref.uri},
        )
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_batch(run.run_id, metrics=_metrics(metrics, 0, at, model_id=model.model_id))
        made = mlflow.register_model(f"models:/{model.model_id}", name, tags={"fingerprint": ref.fingerprint})
        version = str(made.version)
    for key, value in (tags or {}).items():
        client.set_model_version_tag(name, version, key, value)
    if not _newer_holder(client, name, alias, at):
        client.set_registered_model_alias(name, alias, version)
    return version


def send(entry: Entry, uri: str, run_id: str, store: ArtifactStore | None) -> str:
    """Tell MLflow; sending an entry again changes nothing. Returns the id of a started run or a registered version.

    `store` is needed for entries that name artifacts.
    """
    client = MlflowClient(uri)
    match entry:
        case Start():
            experiment_id = entry.experiment_id or open_experiment(uri, None)
            parent = {"mlflow.parentRunId": entry.parent} if entry.parent else {}
            made = client.create_run(experiment_id, entry.time, {**entry.tags, **parent}, run_name=entry.name)
            return str(made.info.run_id)
        case Params():
            params = [Param(key, value) for key, value in entry.params.items()]
            for start in range(0, len(params), _BATCH):
                client.log_batch(run_id, params=params[start : start + _BATCH])
        case Points():
            client.log_batch(run_id, metrics=_metrics(entry.metrics, entry.step, entry.time))
        case StageDone():
            _send_stage(client, run_id, entry, _given(store))
        case StoredFile():
            _log_bytes(client, run_id, entry.name, _given(store).read_bytes(entry.ref, entry.name))
        case Registered():
            run = TrackedRun(uri=uri, run_id=run_id)
            folder = model_folder(entry.ref, _given(store))
            return register_folder(
                run, folder, entry.name, entry.alias, entry.ref, entry.metrics, tags=entry.tags, at=entry.time
            )
        case End():
            client.set_terminated(run_id, entry.status, entry.time)
    return ""


def run_url(run: TrackedRun) -> str | None:
    """The run's page on an MLflow server, for people's browsers; None for a local store, which has no server, and for a run
    that the server has not yet."""
    if not run.uri.startswith("http") or run.is_owed:
        return None
    try:
        experiment_id = MlflowClient(run.uri).get_run(run.run_id).info.experiment_id
    except MlflowException as error:
        if not is_outage(error):
            raise
        return None
    return f"{mlflow_page(run.uri)}/#/experiments/{experiment_id}/runs/{run.run_id}"


def flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("policy.max_steps", 5), ... of a nested mapping."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _start(place: TrackedRun, parent: str | None, experiment_id: str, name: str, tags: Mapping[str, str]) -> TrackedRun:
    """A new run where `place` is, below `parent`; below a run that MLflow has not, it is owed as well."""
    entry = Start(time=now_ms(), name=name, tags=dict(tags), parent=parent, experiment_id=experiment_id)
    made = None if place.is_owed else _attempt(place, "", entry, None)
    if made is not None:
        return place.model_copy(update={"run_id": made})
    run = place.model_copy(update={"run_id": f"{_OWED}{uuid.uuid4().hex}"})
    journal.keep(run.journal, [Line(run=run.run_id, entry=entry)])
    return run


def _log(run: TrackedRun, entry: Entry, store: ArtifactStore | None = None) -> str:
    """Send an entry, or write it into the journal; returns what `send` does, empty when MLflow is owed it."""
    sent = None if run.is_owed else _attempt(run, run.run_id, entry, store)
    if sent is None:
        journal.keep(run.journal, [Line(run=run.run_id, entry=entry)])
    return sent or ""


def _attempt(place: TrackedRun, run_id: str, entry: Entry, store: ArtifactStore | None) -> str | None:
    """What `send` returns, None when MLflow does not answer; without a journal an outage is raised."""
    if place.journal and _is_down(place.uri):
        return None
    try:
        return send(entry, place.uri, run_id, store)
    except Exception as error:
        if not place.journal or not is_outage(error):
            raise
        _note_outage(place.uri, place.journal, error)
        return None


def _is_down(uri: str) -> bool:
    return time.monotonic() < _down_until.get(uri, 0.0)


def _note_outage(uri: str, journal_uri: str, error: Exception) -> None:
    _down_until[uri] = time.monotonic() + _PAUSE_S
    log.warning("MLflow at %s does not answer; what it should hold is kept in %s: %s", uri, journal_uri, error)


def _given(store: ArtifactStore | None) -> ArtifactStore:
    assert store is not None, "an entry that names an artifact needs the store"
    return store


def _send_stage(client: MlflowClient, run_id: str, entry: StageDone, store: ArtifactStore) -> None:
    ref, manifest = entry.ref, store.manifest(entry.ref)
    send(Params(time=entry.time, params=_params(manifest.config)), client.tracking_uri, run_id, None)
    figures = dict(_numbers(manifest.figures))
    figures |= {"cost/seconds": manifest.cost.seconds, "cost/peak_rss_mb": manifest.cost.peak_rss_mb}
    client.log_batch(run_id, metrics=_metrics(figures, 0, entry.time), tags=_tags(ref, manifest))
    named = (*entry.inputs.items(), ("output", ref))
    client.log_inputs(run_id, datasets=[_dataset(name, item) for name, item in named])
    client.log_dict(run_id, json.loads(manifest.model_dump_json()), "manifest.json")
    for shard in manifest.shards:
        if shard.size <= _SMALL_FILE and not shard.name.startswith(("part-", "model/")):
            _log_bytes(client, run_id, shard.name, store.read_bytes(ref, shard.name))


def _params(document: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value)[:6000] for key, value in flatten(document)}


def _registered_version(client: MlflowClient, name: str, fingerprint: str) -> str | None:
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("fingerprint") == fingerprint:
            return str(version.version)
    return None


def _newer_holder(client: MlflowClient, name: str, alias: str, at: int) -> bool:
    """Whether the alias is on a version that was registered after `at`."""
    held = client.get_registered_model(name).aliases.get(alias)
    return held is not None and client.get_model_version(name, str(held)).creation_timestamp > at


def _numbers(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def _metrics(metrics: Mapping[str, float], step: int, time_ms: int, model_id: str | None = None) -> Sequence[Metric]:
    return [
        Metric(_metric_name(name), float(value), time_ms, step, model_id=model_id) for name, value in metrics.items()
    ]


def _metric_name(name: str) -> str:
    """MLflow's alphabet: letters, digits, _ - . space : /."""
    return "".join(char if char.isalnum() or char in "_-. :/" else "_" for char in name)


def _tags(ref: ArtifactRef, manifest: Manifest) -> list[RunTag]:
    lineage = {f"input.{name}": parent for name, parent in manifest.inputs.items()}
    tags = {"fingerprint": ref.fingerprint, "digest": ref.digest, "artifact": ref.uri, "stage": ref.stage, **lineage}
    return [RunTag(key, value) for key, value in tags.items()]


def _dataset(name: str, ref: ArtifactRef) -> DatasetInput:
    # MLflow keeps at most 36 characters of a digest; the whole fingerprint rides on a tag.
    with warnings.catch_warnings():  # of two equal candidates for a local folder
        warnings.simplefilter("ignore")
        source = resolve_dataset_source(ref.uri)
    data = MetaDataset(source, name=ref.stage, digest=ref.digest[:36])  # type: ignore[abstract]
    tags = [InputTag("mlflow.data.context", name), InputTag("fingerprint", ref.fingerprint)]
    return DatasetInput(dataset=data._to_mlflow_entity(), tags=tags)


def _log_bytes(client: MlflowClient, run_id: str, name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        parent = Path(name).parent.as_posix()
        client.log_artifact(run_id, str(path), None if parent == "." else parent)
