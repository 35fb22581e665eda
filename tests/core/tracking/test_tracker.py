"""MLflow as a user finds it: runs, lineage, live metrics, one version per fingerprint."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pyarrow as pa
import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.tracking.sink import open_experiment
from ifrl_core.tracking.tracker import TrackedRun, Tracker
from ifrl_core.tracking.versions import register_folder
from tests.patience import PATIENCE_S


@pytest.fixture
def tracker(tmp_path: Path, store: ArtifactStore, fresh_mlflow: Callable[[Path], str]) -> Tracker:
    uri = fresh_mlflow(tmp_path / "mlflow.db")
    experiment = open_experiment(uri, str(tmp_path / "files"))
    tracker = Tracker.start(uri, str(tmp_path / "files"), "stage", {"cached": "false"}, store)
    assert tracker.run.experiment_id == experiment
    return tracker


def artifact(store: ArtifactStore, fingerprint: str = "a" * 64) -> ArtifactRef:
    writer = store.writer("labels", 1, fingerprint, {"seed": 0, "nested": {"k": [1, 2]}}, {"rollouts": "rollouts/0"})
    writer.write_table("part-00000.parquet", pa.table({"a": [1]}))
    writer.write_json("curve.json", [1, 2])
    by = {"type x/y": 1, "Law & a, b": 2, "": 3, "z" * 300: 4}
    return writer.commit({"auc": 0.5, "by": by, "missing": None, "slices": {"level": {"1": 0.5}}})


def test_a_stage_logs_params_figures_lineage_and_small_files(tracker: Tracker, store: ArtifactStore) -> None:
    ref, run = artifact(store), tracker.run
    tracker.stage(ref, {"rollouts": ref})
    found = MlflowClient(run.uri).get_run(run.run_id)
    assert found.data.params == {"seed": "0", "nested.k": "[1, 2]"}
    assert found.data.metrics["auc"] == 0.5
    assert found.data.metrics["by/type x/y"] == 1
    assert (found.data.metrics["by/Law _ a_ b"], found.data.metrics["by/_"]) == (2, 3)
    assert found.data.metrics[f"by/{'z' * 237}"] == 4
    assert not any(name.startswith("slices") for name in found.data.metrics)
    assert "missing" not in found.data.metrics  # unscored is not zero
    assert found.data.tags["fingerprint"] == ref.fingerprint
    assert found.data.tags["input.rollouts"] == "rollouts/0"
    assert {item.dataset.digest for item in found.inputs.dataset_inputs} == {ref.digest[:36]}
    files = {item.path for item in MlflowClient(run.uri).list_artifacts(run.run_id)}
    assert files == {"manifest.json", "curve.json"}


def test_sample_rows_make_one_table_that_grows(tracker: Tracker) -> None:
    run = tracker.run
    for step in (5, 10):
        tracker.samples([{"step": step, "response": f"answer {n}", "reward": None} for n in range(2)])
    table = json.loads(Path(MlflowClient(run.uri).download_artifacts(run.run_id, "samples.json")).read_text())
    assert table["columns"] == ["step", "response", "reward"]
    assert [row[0] for row in table["data"]] == [5, 5, 10, 10]
    assert [row[1] for row in table["data"]] == ["answer 0", "answer 1"] * 2


def test_a_server_that_is_gone_costs_points_and_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    Tracker(TrackedRun(uri="http://127.0.0.1:9", run_id="r")).live({"loss": 1.0}, step=3)
    assert "step 3" in caplog.text


def test_one_fingerprint_is_one_version_and_the_alias_moves(
    tracker: Tracker, store: ArtifactStore, tmp_path: Path
) -> None:
    run, folder = tracker.run, tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    first, second = artifact(store), artifact(store, "b" * 64)
    assert register_folder(run.uri, run.run_id, folder, "p", "challenger", first, {"gain": 1.0}) == "1"
    assert register_folder(run.uri, run.run_id, folder, "p", "challenger", first, {"gain": 1.0}) == "1"
    assert register_folder(run.uri, run.run_id, folder, "p", "challenger", second, {}) == "2"
    client = MlflowClient(run.uri)
    assert client.get_model_version_by_alias("p", "challenger").version in (2, "2")
    logged = client.search_logged_models([run.experiment_id])
    carried = {
        model.tags["fingerprint"]: [(metric.key, metric.value) for metric in model.metrics or []] for model in logged
    }
    assert carried == {first.fingerprint: [("gain", 1.0)], second.fingerprint: []}
    mlflow.set_tracking_uri(run.uri)
    local = Path(mlflow.artifacts.download_artifacts("models:/p@challenger"))
    assert (local / "model.safetensors").read_bytes() == b"weights"


def test_more_params_and_longer_values_than_a_server_takes_at_once_arrive(tracker: Tracker) -> None:
    tracker.params({"long": "x" * 9_000, **{f"key{n}": n for n in range(250)}})
    params = MlflowClient(tracker.run.uri).get_run(tracker.run.run_id).data.params
    assert len(params) == 251
    assert params["key249"] == "249"
    assert params["long"].startswith("x" * 1_000)


def test_a_block_that_raises_ends_its_run_as_failed(tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="why"), tracker.child("policy", {}) as child:
        raise ValueError("why")
    with tracker.child("labels", {}) as fine:
        pass
    client = MlflowClient(tracker.run.uri)
    assert client.get_run(child.run.run_id).info.status == "FAILED"
    assert client.get_run(fine.run.run_id).info.status == "FINISHED"


def test_runs_that_begin_at_once_in_a_fresh_folder_all_begin(tmp_path: Path) -> None:
    """MLflow makes its tables without a lock: without ours, one of two that start together dies."""
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    code = (
        f"from ifrl_core.tracking.tracker import Tracker; print(Tracker.start({uri!r}, None, 'run', {{}}).run.run_id)"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = {run.communicate(timeout=PATIENCE_S)[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(ids) == 2
