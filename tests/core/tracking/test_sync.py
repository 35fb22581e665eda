"""MLflow that is down: runs go on, and what it should hold reaches it later, once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import TrackingError
from ifrl_core.tracking import journal as tracking_journal
from ifrl_core.tracking import tracker
from ifrl_core.tracking.sink import EXPERIMENT, open_experiment
from ifrl_core.tracking.sync import sync_run
from ifrl_core.tracking.tracker import PENDING, TrackedRun, Tracker
from tests.flows.servers import free_port, mlflow_server

pytestmark = pytest.mark.server


@dataclass
class Server:
    """An MLflow server that can be brought up and down, on the same port and state."""

    folder: Path
    port: int
    stack: ExitStack

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        self.stack.enter_context(mlflow_server(self.folder, self.port))

    def down(self) -> None:
        self.stack.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(tracker, "_PAUSE_S", 0.0)
    with ExitStack() as stack:
        yield Server(tmp_path / "mlflow", free_port(), stack)


def artifact(store: ArtifactStore) -> ArtifactRef:
    """A policy with a tiny model folder and a report."""
    writer = store.writer("policy", 1, "a" * 64, {"seed": 3, "nested": {"k": 1}}, {"labels": "labels/0"})
    writer.write_table("part-00000.parquet", pa.table({"a": [1]}))
    writer.write_json("model/config.json", {"architectures": ["X"]})
    writer.write_bytes("report.html", b"<!doctype html>")
    return writer.commit({"auc": 0.5})


def use(store: ArtifactStore, uri: str, name: str, *, before_end: Callable[[], None] = lambda: None) -> TrackedRun:
    """What a run does with MLflow, on a small scale; returns the parent."""
    journal = tracking_journal.journal_of(store, name)
    with Tracker.start(uri, None, name, {"flow": "pipeline"}, store, journal=journal) as parent:
        parent.params({"policy": {"max_steps": 5}})
        with parent.child("policy", {"cached": "false"}) as child:
            for step in range(1, 4):
                child.live({"reward/total": step / 10, "loss": float("nan")}, step)
            before_end()
            child.live({"reward/total": 0.9}, 4)
            child.flush()
            ref = artifact(store)
            child.stage(ref, {"labels": ref})
        metrics, tags = {"gain": 1.5}, {"ifrl.split": "{}"}
        assert parent.register(ref, name="p", alias="challenger", metrics=metrics, tags=tags) in ("1", PENDING)
        parent.file(ref, "report.html")
    return parent.run


def runs_of(uri: str) -> dict[str, Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in found}) == len(found), "a run is there twice"
    return {run.info.run_name: run for run in found}


def held(uri: str) -> dict[str, Any]:
    """Everything MLflow holds, without its own ids and times of writing."""
    client, runs = MlflowClient(uri), runs_of(uri)
    child = runs["policy"].info.run_id
    history = {key: client.get_metric_history(child, key) for key in ("reward/total", "loss", "auc")}
    files = {name: sorted(f.path for f in client.list_artifacts(run.info.run_id)) for name, run in runs.items()}
    return {
        "names": set(runs),
        "status": {run.info.status for run in runs.values()},
        "params": {name: run.data.params for name, run in runs.items()},
        "points": {key: [(p.step, str(p.value)) for p in points] for key, points in history.items()},
        "fingerprint": runs["policy"].data.tags["fingerprint"],
        "inputs": len(runs["policy"].inputs.dataset_inputs),
        "files": files,
        "versions": [(str(v.version), v.tags["fingerprint"]) for v in client.search_model_versions("name = 'p'")],
        "alias": str(client.get_model_version_by_alias("p", "challenger").version),
    }


def test_a_run_without_mlflow_is_the_same_there_after_a_sync(
    server: Server, store: ArtifactStore, tmp_path: Path
) -> None:
    owed = use(store, server.uri, "run-1")
    assert owed.is_owed
    assert Tracker(owed).url is None
    assert tracking_journal.owing_runs(store) == ["run-1"]
    with pytest.raises(TrackingError, match="ifrl track sync run-1"):
        sync_run(store, "run-1", server.uri)
    server.up()
    done = sync_run(store, "run-1", server.uri)
    assert done.lost == 0
    assert done.entries > 8
    assert tracking_journal.owing_runs(store) == []
    late = held(server.uri)
    runs = runs_of(server.uri)
    parent, child = runs["run-1"], runs["policy"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert late["status"] == {"FINISHED"}
    assert late["points"]["reward/total"] == [(1, "0.1"), (2, "0.2"), (3, "0.3"), (4, "0.9")]
    assert late["files"]["run-1"] == ["report.html"]

    # The times are those of the run, not of the sync.
    client = MlflowClient(server.uri)
    stamps = [point.timestamp for point in client.get_metric_history(child.info.run_id, "reward/total")]
    assert parent.info.start_time <= child.info.start_time <= min(stamps) <= max(stamps) <= child.info.end_time
    assert child.info.end_time <= parent.info.end_time

    # A sync that was killed before it wrote down what it had sent, and then one more.
    (Path(store.root) / "runs" / "run-1.tracking" / "synced.json").unlink()
    assert sync_run(store, "run-1", server.uri).entries == done.entries
    assert sync_run(store, "run-1", server.uri).entries == 0
    assert held(server.uri) == late

    # A run with MLflow up leaves the same, and no journal.
    other = ArtifactStore(str(tmp_path / "other"))
    direct = f"sqlite:///{tmp_path / 'direct.db'}"
    open_experiment(direct, str(tmp_path / "files"))
    use(other, direct, "run-1")
    assert tracking_journal.unsent(other, "run-1") == []
    assert held(direct) == late


def test_mlflow_that_goes_down_in_the_middle_gets_the_rest_later(server: Server, store: ArtifactStore) -> None:
    server.up()
    run = use(store, server.uri, "run-2", before_end=server.down)
    assert not run.is_owed
    server.up()
    assert sync_run(store, "run-2", server.uri).lost == 0
    found = held(server.uri)
    assert found["status"] == {"FINISHED"}
    assert [step for step, _ in found["points"]["reward/total"]] == [1, 2, 3, 4]
    assert len(found["versions"]) == 1
    assert found["files"]["run-2"] == ["report.html"]


def test_an_artifact_that_is_gone_costs_its_entry_alone(server: Server, store: ArtifactStore, tmp_path: Path) -> None:
    use(store, server.uri, "run-3")
    (Path(store.folder("policy", "a" * 64)) / "manifest.json").unlink()
    uri = f"sqlite:///{tmp_path / 'direct.db'}"
    open_experiment(uri, str(tmp_path / "files"))
    assert sync_run(store, "run-3", uri).lost == 3  # the stage, the model and the report
    assert {run.info.status for run in runs_of(uri).values()} == {"FINISHED"}
