"""MLflow that is down: runs go on, and what it should hold reaches it later, once."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.errors import TrackingError
from ifrl_core.tracking import journal as tracking_journal
from ifrl_core.tracking import tracker
from ifrl_core.tracking.entries import End, Line, Params, now_ms
from ifrl_core.tracking.samples import TABLE
from ifrl_core.tracking.sink import EXPERIMENT, open_experiment
from ifrl_core.tracking.sync import sync_run
from ifrl_core.tracking.tracker import PENDING, TrackedRun, Tracker
from tests.flows.servers import mlflow_server
from tests.ports import free_port

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
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_mlflow: Callable[[Path], str]) -> Iterator[Server]:
    fresh_mlflow(tmp_path / "mlflow" / "mlflow.db")
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
            child.samples([{"step": 3, "text": "early", "reward": 1 / 3}])
            before_end()
            child.live({"reward/total": 0.9}, 4)
            child.samples([{"step": 4, "text": "late", "reward": None}])
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
        "samples": samples(uri, child),
        "versions": [(str(v.version), v.tags["fingerprint"]) for v in client.search_model_versions("name = 'p'")],
        "alias": str(client.get_model_version_by_alias("p", "challenger").version),
    }


def samples(uri: str, run_id: str) -> list[Any]:
    with TemporaryDirectory() as folder:
        rows = json.loads(Path(MlflowClient(uri).download_artifacts(run_id, TABLE, folder)).read_text())["data"]
    return sorted(rows, key=str)


def test_a_run_without_mlflow_is_the_same_there_after_a_sync(
    server: Server, store: ArtifactStore, tmp_path: Path, fresh_mlflow: Callable[[Path], str]
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
    assert [row[1] for row in late["samples"]] == ["early", "late"]

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
    direct = fresh_mlflow(tmp_path / "direct.db")
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
    assert [row[1] for row in found["samples"]] == ["early", "late"]
    assert [step for step, _ in found["points"]["reward/total"]] == [1, 2, 3, 4]
    assert len(found["versions"]) == 1
    assert found["files"]["run-2"] == ["report.html"]


def test_an_artifact_that_is_gone_costs_its_entry_alone(
    server: Server, store: ArtifactStore, tmp_path: Path, fresh_mlflow: Callable[[Path], str]
) -> None:
    use(store, server.uri, "run-3")
    (Path(store.folder("policy", "a" * 64)) / "manifest.json").unlink()
    uri = fresh_mlflow(tmp_path / "direct.db")
    open_experiment(uri, str(tmp_path / "files"))
    assert sync_run(store, "run-3", uri).lost == 3  # the stage, the model and the report
    assert {run.info.status for run in runs_of(uri).values()} == {"FINISHED"}


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Callable[[Path], str]) -> str:
    """The URI of a store without a server."""
    folder = tmp_path_factory.mktemp("direct")
    uri = fresh_mlflow(folder / "direct.db")
    open_experiment(uri, str(folder / "files"))
    return uri


def test_what_is_refused_for_ever_is_set_aside_and_the_rest_goes_on(
    store: ArtifactStore, direct: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri, journal = direct, tracking_journal.journal_of(store, "run-4")
    client, experiment = MlflowClient(uri), open_experiment(uri, None)
    run = client.create_run(experiment).info.run_id

    def params(run_id: str, **named: str) -> Line:
        return Line(run=run_id, entry=Params(time=now_ms(), params=named))

    tracking_journal.keep(journal, [params(run, early="1"), params(run, **{"a?b": "poison"}), params("0" * 32, x="1")])
    fs, folder = files.filesystem(journal)
    files.write_bytes(fs, f"{folder}/00-torn.jsonl", b'{"run": "x", "entry": {"kind": "unknown"}}\n{"ru')
    tracking_journal.keep(journal, [params(run, late="2"), Line(run=run, entry=End(time=now_ms(), status="FINISHED"))])

    done = sync_run(store, "run-4", uri)
    assert (done.entries, done.lost, done.owed) == (7, 3, 1)
    found = client.get_run(run)
    assert found.data.params == {"early": "1", "late": "2"}
    assert found.info.status == "FINISHED"
    assert "a?b" in caplog.text
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI"):  # all that is owed is of a run it does not know
        sync_run(store, "run-4", uri)
    for lost, owed in ((0, 1), (1, 0)):
        tracking_journal.keep(journal, [params(run, **{f"again-{lost}": "3"})])
        done = sync_run(store, "run-4", uri)
        assert (done.entries, done.lost, done.owed) == (2, lost, owed)
    assert tracking_journal.owing_runs(store) == []
    aside = [path.read_text() for path in (Path(store.root) / "runs" / "run-4.tracking").glob("refused-*.txt")]
    assert sum(text.count("\n") for text in aside) == 4


def test_what_mlflow_refuses_during_a_run_ends_nothing_and_stays_owed(store: ArtifactStore, direct: str) -> None:
    journal = tracking_journal.journal_of(store, "run-5")
    with Tracker.start(direct, None, "run-5", {}, store, journal=journal) as tracker:
        MlflowClient(direct).delete_run(tracker.run.run_id)
        tracker.params({"a": 1})
        tracker.live({"x": 1.0}, 1)
        tracker.samples([{"a": 1}])
        tracker.flush()
    assert tracker.url is None
    assert tracking_journal.owing_runs(store) == ["run-5"]
