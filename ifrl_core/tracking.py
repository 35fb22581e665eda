"""Everything that talks to MLflow: one parent run per pipeline, one child per stage, datasets, live metrics, registry.

Runs are addressed by id through the client, never through MLflow's active run, so threads and processes cannot close each
other's runs. Live metrics may get lost with a server that is down (a warning says so): tracking never stops training, and
the truth of every figure is the manifest.
"""

import json
import logging
import tempfile
import time
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

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest
from ifrl_core.settings import mlflow_page

log = logging.getLogger(__name__)

EXPERIMENT = "ifrl"
_SMALL_FILE = 4 << 20  # bytes; larger files stay in the store and are named by dataset inputs
_BATCH = 100  # MLflow's limit of params and tags per call


class TrackedRun(BaseModel):
    """The address of one MLflow run: what a task needs to log into it from another thread or process."""

    model_config = ConfigDict(frozen=True)

    uri: str
    run_id: str


def open_experiment(uri: str, artifact_folder: str | None) -> str:
    """The id of the experiment `ifrl`, created when absent; `artifact_folder` places files of a local store."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifact_folder))


def start_run(uri: str, experiment_id: str, name: str, tags: Mapping[str, str]) -> TrackedRun:
    run = MlflowClient(uri).create_run(experiment_id, run_name=name, tags=dict(tags))
    return TrackedRun(uri=uri, run_id=run.info.run_id)


def start_child(parent: TrackedRun, experiment_id: str, name: str, tags: Mapping[str, str]) -> TrackedRun:
    return start_run(parent.uri, experiment_id, name, {**tags, "mlflow.parentRunId": parent.run_id})


def end_run(run: TrackedRun, status: str = "FINISHED") -> None:
    MlflowClient(run.uri).set_terminated(run.run_id, status)


def end_earlier_attempts(run: TrackedRun, experiment_id: str, tag: str, value: str) -> int:
    """Mark as KILLED what else carries the tag and is said to be running, children included; returns how many.

    For a run that starts again after it was killed: nobody else is left to end what its first attempt began.
    """
    client, ended = MlflowClient(run.uri), 0
    attempts = client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'")
    for attempt in attempts:
        if attempt.info.run_id == run.run_id:
            continue
        children = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{attempt.info.run_id}'")
        for item in (*children, attempt):
            if item.info.status == "RUNNING":
                client.set_terminated(item.info.run_id, "KILLED")
                ended += 1
    return ended


def log_params(run: TrackedRun, document: Mapping[str, Any]) -> None:
    """Log a nested config as dotted params."""
    params = [Param(key, str(value)[:6000]) for key, value in flatten(document)]
    for start in range(0, len(params), _BATCH):
        MlflowClient(run.uri).log_batch(run.run_id, params=params[start : start + _BATCH])


def log_live(run: TrackedRun, metrics: Mapping[str, float], step: int) -> None:
    """Log metrics while a stage runs. A failing server costs points and a warning, never the stage."""
    try:
        MlflowClient(run.uri).log_batch(run.run_id, metrics=_metrics(metrics, step), synchronous=True)
    except MlflowException as error:
        log.warning("MLflow did not take %d metrics of step %d: %s", len(metrics), step, error)


def log_stage(run: TrackedRun, ref: ArtifactRef, store: ArtifactStore, inputs: Mapping[str, ArtifactRef]) -> None:
    """What a committed artifact says of itself: params, figures, cost, lineage, small files, fingerprint."""
    client, manifest = MlflowClient(run.uri), store.manifest(ref)
    log_params(run, manifest.config)
    figures = dict(_numbers(manifest.figures))
    figures |= {"cost/seconds": manifest.cost.seconds, "cost/peak_rss_mb": manifest.cost.peak_rss_mb}
    client.log_batch(run.run_id, metrics=_metrics(figures, 0), tags=_tags(ref, manifest))
    client.log_inputs(run.run_id, datasets=[_dataset(name, item) for name, item in (*inputs.items(), ("output", ref))])
    client.log_dict(run.run_id, json.loads(manifest.model_dump_json()), "manifest.json")
    for shard in manifest.shards:
        if shard.size <= _SMALL_FILE and not shard.name.startswith(("part-", "model/")):
            _log_bytes(client, run, shard.name, store.read_bytes(ref, shard.name))


def log_file(run: TrackedRun, path: Path, folder: str | None = None) -> None:
    MlflowClient(run.uri).log_artifact(run.run_id, str(path), folder)


def log_metrics(run: TrackedRun, metrics: Mapping[str, float], step: int = 0) -> None:
    MlflowClient(run.uri).log_batch(run.run_id, metrics=_metrics(metrics, step))


def set_tags(run: TrackedRun, tags: Mapping[str, str]) -> None:
    MlflowClient(run.uri).log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def register_folder(
    run: TrackedRun, folder: Path, name: str, alias: str, ref: ArtifactRef, metrics: Mapping[str, float]
) -> str:
    """Register a model folder (safetensors) under `name`, set `alias` on it and return the version.

    A version made from the same fingerprint is used again instead of registered twice.
    """
    client = MlflowClient(run.uri)
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
        client.log_batch(run.run_id, metrics=_metrics(metrics, 0, model_id=model.model_id))
        made = mlflow.register_model(f"models:/{model.model_id}", name, tags={"fingerprint": ref.fingerprint})
        version = str(made.version)
    client.set_registered_model_alias(name, alias, version)
    return version


def run_url(run: TrackedRun) -> str | None:
    """The run's page on an MLflow server, for people's browsers; None for a local store, which has no server."""
    if not run.uri.startswith("http"):
        return None
    experiment_id = MlflowClient(run.uri).get_run(run.run_id).info.experiment_id
    return f"{mlflow_page(run.uri)}/#/experiments/{experiment_id}/runs/{run.run_id}"


def flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("policy.max_steps", 5), ... of a nested mapping."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _registered_version(client: MlflowClient, name: str, fingerprint: str) -> str | None:
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("fingerprint") == fingerprint:
            return str(version.version)
    return None


def _numbers(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def _metrics(metrics: Mapping[str, float], step: int, model_id: str | None = None) -> Sequence[Metric]:
    now = int(time.time() * 1000)
    return [Metric(_metric_name(name), float(value), now, step, model_id=model_id) for name, value in metrics.items()]


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


def _log_bytes(client: MlflowClient, run: TrackedRun, name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        parent = Path(name).parent.as_posix()
        client.log_artifact(run.run_id, str(path), None if parent == "." else parent)
