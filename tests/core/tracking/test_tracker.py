"""MLflow as a user finds it: runs, lineage, live metrics, one version per fingerprint."""

import json
from pathlib import Path

import mlflow
import pyarrow as pa
import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.tracking import tracker as tracking
from ifrl_core.tracking.tracker import TrackedRun


@pytest.fixture
def run(tmp_path: Path) -> TrackedRun:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    experiment = tracking.open_experiment(uri, str(tmp_path / "files"))
    assert tracking.open_experiment(uri, str(tmp_path / "files")) == experiment
    return tracking.start_run(uri, experiment, "stage", {"cached": "false"})


def artifact(store: ArtifactStore, fingerprint: str = "a" * 64) -> ArtifactRef:
    writer = store.writer("labels", 1, fingerprint, {"seed": 0, "nested": {"k": [1, 2]}}, {"rollouts": "rollouts/0"})
    writer.write_table("part-00000.parquet", pa.table({"a": [1]}))
    writer.write_json("curve.json", [1, 2])
    return writer.commit({"auc": 0.5, "by": {"type x/y": 1}, "missing": None})


def test_a_stage_logs_params_figures_lineage_and_small_files(run: TrackedRun, store: ArtifactStore) -> None:
    ref = artifact(store)
    tracking.log_stage(run, ref, store, {"rollouts": ref})
    found = MlflowClient(run.uri).get_run(run.run_id)
    assert found.data.params == {"seed": "0", "nested.k": "[1, 2]"}
    assert found.data.metrics["auc"] == 0.5
    assert found.data.metrics["by/type x/y"] == 1
    assert "missing" not in found.data.metrics  # unscored is not zero
    assert found.data.tags["fingerprint"] == ref.fingerprint
    assert found.data.tags["input.rollouts"] == "rollouts/0"
    assert {item.dataset.digest for item in found.inputs.dataset_inputs} == {ref.digest[:36]}
    files = {item.path for item in MlflowClient(run.uri).list_artifacts(run.run_id)}
    assert files == {"manifest.json", "curve.json"}


def test_sample_rows_make_one_table_that_grows(run: TrackedRun) -> None:
    for step in (5, 10):
        tracking.log_samples(run, [{"step": step, "response": f"answer {n}", "reward": None} for n in range(2)])
    table = json.loads(Path(MlflowClient(run.uri).download_artifacts(run.run_id, "samples.json")).read_text())
    assert table["columns"] == ["step", "response", "reward"]
    assert [row[0] for row in table["data"]] == [5, 5, 10, 10]
    assert [row[1] for row in table["data"]] == ["answer 0", "answer 1"] * 2


def test_a_server_that_is_gone_costs_points_and_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking.log_live(TrackedRun(uri="http://127.0.0.1:9", run_id="r"), {"loss": 1.0}, step=3)
    assert "step 3" in caplog.text


def test_one_fingerprint_is_one_version_and_the_alias_moves(
    run: TrackedRun, store: ArtifactStore, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    first, second = artifact(store), artifact(store, "b" * 64)
    assert tracking.register_folder(run, folder, "p", "challenger", first, {"gain": 1.0}) == "1"
    assert tracking.register_folder(run, folder, "p", "challenger", first, {"gain": 1.0}) == "1"
    assert tracking.register_folder(run, folder, "p", "challenger", second, {}) == "2"
    client = MlflowClient(run.uri)
    assert client.get_model_version_by_alias("p", "challenger").version in (2, "2")
    mlflow.set_tracking_uri(run.uri)
    local = Path(mlflow.artifacts.download_artifacts("models:/p@challenger"))
    assert (local / "model.safetensors").read_bytes() == b"weights"
