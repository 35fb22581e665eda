"""A model folder as a version of a registered model in MLflow, with an alias and its figures."""

from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef
from ifrl_core.settings import with_secrets
from ifrl_core.tracking.entries import now_ms


def register_folder(
    uri: str,
    run_id: str,
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
    uri = with_secrets(uri)
    client, at = MlflowClient(uri), at or now_ms()
    version = _version_of(client, name, ref.fingerprint)
    if version is None:
        version = _create(client, uri, run_id, folder, name, ref, metrics, at)
    for key, value in (tags or {}).items():
        client.set_model_version_tag(name, version, key, value)
    if not _newer_holder(client, name, alias, at):
        client.set_registered_model_alias(name, alias, version)
    return version


def metrics_at(metrics: Mapping[str, float], step: int, time_ms: int, model_id: str | None = None) -> list[Metric]:
    """Metrics of one step as MLflow's entities."""
    return [
        Metric(_metric_name(name), float(value), time_ms, step, model_id=model_id) for name, value in metrics.items()
    ]


def _create(
    client: MlflowClient,
    uri: str,
    run_id: str,
    folder: Path,
    name: str,
    ref: ArtifactRef,
    metrics: Mapping[str, float],
    at: int,
) -> str:
    mlflow.set_tracking_uri(uri)
    model = client.create_logged_model(
        client.get_run(run_id).info.experiment_id,
        name=name,
        source_run_id=run_id,
        model_type="hf-safetensors",
        tags={"fingerprint": ref.fingerprint, "artifact": ref.uri},
    )
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_batch(run_id, metrics=metrics_at(metrics, 0, at, model_id=model.model_id))
    registered = mlflow.register_model(f"models:/{model.model_id}", name, tags={"fingerprint": ref.fingerprint})
    return str(registered.version)


def _version_of(client: MlflowClient, name: str, fingerprint: str) -> str | None:
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("fingerprint") == fingerprint:
            return str(version.version)
    return None


def _newer_holder(client: MlflowClient, name: str, alias: str, at: int) -> bool:
    """Whether the alias is on a version that was registered after `at`."""
    holder = client.get_registered_model(name).aliases.get(alias)
    return holder is not None and client.get_model_version(name, str(holder)).creation_timestamp > at


_LONGEST_NAME = 240  # MLflow takes 250


def _metric_name(name: str) -> str:
    """MLflow's alphabet: letters, digits, _ - . space : /; no part of a name is empty or dots, and none is longer."""
    allowed = "".join(char if char.isalnum() or char in "_-. :/" else "_" for char in name[:_LONGEST_NAME])
    return "/".join("_" if part in ("", ".", "..") else part for part in allowed.split("/"))
