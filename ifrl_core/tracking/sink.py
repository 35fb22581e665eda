"""Telling MLflow: what each entry comes to there. Sending an entry again changes nothing.

Runs are addressed by id through the client, never through MLflow's active run, so threads and processes cannot close each
other's runs. The client cuts long batches and values to what a server takes.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest
from ifrl_core.models.folder import model_folder
from ifrl_core.settings import configure_tracking, mlflow_page, with_secrets
from ifrl_core.tracking.entries import End, Entry, Params, Points, Registered, Samples, StageDone, Start, StoredFile
from ifrl_core.tracking.samples import append_rows
from ifrl_core.tracking.versions import metrics_at, register_folder

configure_tracking()  # a worker's process has no command line of ours that did

EXPERIMENT = "ifrl"
_SMALL_FILE = 4 << 20  # bytes; larger files stay in the store and are named by dataset inputs
_OF_GROUPS = "slices"  # figures of a benchmark's groups: hundreds, which its report shows
_OUTAGES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}


def open_client(uri: str) -> MlflowClient:
    """The client of a tracking URI, which may be masked."""
    return MlflowClient(with_secrets(uri))


def is_outage(error: BaseException) -> bool:
    """Whether MLflow, or what it keeps its files on, did not answer; anything else is a mistake that waiting cannot mend."""
    if isinstance(error, MlflowException):
        return error.error_code in _OUTAGES
    return isinstance(error, RequestException | ConnectionError | TimeoutError)


def answers(uri: str) -> bool:
    """Whether MLflow answers a simple question."""
    try:
        open_client(uri).search_experiments(max_results=1)
    except Exception as error:
        if not is_outage(error):
            raise
        return False
    return True


def open_experiment(uri: str, artifact_folder: str | None) -> str:
    """The id of the experiment `ifrl`, created when absent; `artifact_folder` places files of a local store."""
    with _one_at_a_time(uri):
        client = open_client(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return str(experiment.experiment_id)
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifact_folder))


def send(entry: Entry, uri: str, run_id: str, store: ArtifactStore | None) -> str:
    """Tell MLflow. Returns the id of a started run or the version of a registered model, empty for other entries.

    `store` is needed for entries that name artifacts.
    """
    client = open_client(uri)
    match entry:
        case Start():
            experiment_id = entry.experiment_id or open_experiment(uri, None)
            parent = {"mlflow.parentRunId": entry.parent} if entry.parent else {}
            run = client.create_run(experiment_id, entry.time, {**entry.tags, **parent}, run_name=entry.name)
            return str(run.info.run_id)
        case Params():
            client.log_batch(run_id, params=[Param(key, value) for key, value in entry.params.items()])
        case Points():
            client.log_batch(run_id, metrics=metrics_at(entry.metrics, entry.step, entry.time))
        case Samples():
            append_rows(client, run_id, entry.rows)
        case StageDone():
            _send_stage(client, run_id, entry, _needed(store))
        case StoredFile():
            _log_bytes(client, run_id, entry.name, _needed(store).read_bytes(entry.ref, entry.name))
        case Registered():
            return register_folder(
                uri,
                run_id,
                model_folder(entry.ref, _needed(store)),
                entry.name,
                entry.alias,
                entry.ref,
                entry.metrics,
                tags=entry.tags,
                at=entry.time,
            )
        case End():
            client.set_terminated(run_id, entry.status, entry.time)
    return ""


def run_url(uri: str, run_id: str) -> str | None:
    """The run's page on an MLflow server, for people's browsers; None for a local store, which has no server, and where the
    server does not answer or has no such run."""
    if not uri.startswith("http"):
        return None
    try:
        experiment_id = open_client(uri).get_run(run_id).info.experiment_id
    except MlflowException:  # it is away, or somebody has deleted the run
        return None
    return f"{mlflow_page(uri)}/#/experiments/{experiment_id}/runs/{run_id}"


def end_other_runs(uri: str, experiment_id: str, run_id: str, tag: str, value: str) -> int:
    """Mark as KILLED what else carries the tag and is said to be running, children included; returns how many."""
    attempts = open_client(uri).search_runs([experiment_id], f"tags.`{tag}` = '{value}'")
    others = [attempt.info.run_id for attempt in attempts if attempt.info.run_id != run_id]
    return sum(end_with_children(uri, experiment_id, other) for other in others)


def end_with_children(uri: str, experiment_id: str, run_id: str) -> int:
    """Mark a run and its children as KILLED where they are said to be running; returns how many. One that MLflow does not
    have is none."""
    client = open_client(uri)
    family = [
        *client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"),
        *client.search_runs([experiment_id], f"attributes.run_id = '{run_id}'"),
    ]
    running = [run.info.run_id for run in family if run.info.status == "RUNNING"]
    for each in running:
        client.set_terminated(each, "KILLED")
    return len(running)


def _one_at_a_time(uri: str) -> AbstractContextManager[Any]:
    """MLflow makes the tables of a sqlite store at first use, without a lock: of two runs that begin in a fresh folder at
    once, one would end at "table already exists". A server makes its own before it answers."""
    path = uri.removeprefix("sqlite:///")
    if path == uri:
        return nullcontext()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{path}.lock")


def flat_params(document: Mapping[str, Any]) -> dict[str, str]:
    """{"policy.max_steps": "5", ...} of a nested config."""
    return {key: str(value) for key, value in _flatten(document)}


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _needed(store: ArtifactStore | None) -> ArtifactStore:
    assert store is not None, "an entry that names an artifact needs the store"
    return store


def _send_stage(client: MlflowClient, run_id: str, entry: StageDone, store: ArtifactStore) -> None:
    ref, manifest = entry.ref, store.manifest(entry.ref)
    figures = dict(_numbers({name: value for name, value in manifest.figures.items() if name != _OF_GROUPS}))
    figures |= {"cost/seconds": manifest.cost.seconds, "cost/peak_rss_mb": manifest.cost.peak_rss_mb}
    client.log_batch(
        run_id,
        params=[Param(key, value) for key, value in flat_params(manifest.config).items()],
        metrics=metrics_at(figures, 0, entry.time),
        tags=_tags(ref, manifest),
    )
    client.log_inputs(
        run_id, datasets=[_dataset(name, item) for name, item in (*entry.inputs.items(), ("output", ref))]
    )
    client.log_dict(run_id, json.loads(manifest.model_dump_json()), "manifest.json")
    for shard in manifest.shards:
        if shard.size <= _SMALL_FILE and not shard.name.startswith(("part-", "model/")):
            _log_bytes(client, run_id, shard.name, store.read_bytes(ref, shard.name))


def _numbers(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


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
