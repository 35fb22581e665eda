"""The tiny pipeline on a real S3 server with MLflow down: it ends well, is cached, and MLflow is told everything later."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.tracking.sink import EXPERIMENT
from ifrl_core.training.clock import PARTS
from tests.flows.servers import mlflow_server, s3_server
from tests.flows.workplace import CHEAP, Workplace
from tests.ports import free_port

PASSWORD = "S3CRET-of-ann"  # of a proxy in front of MLflow, say
pytestmark = [pytest.mark.e2e, pytest.mark.server]


@dataclass(frozen=True)
class Away:
    """A finished run with its store on S3 (in the folder `objects`), whose MLflow, on `port`, did not answer."""

    place: Workplace
    objects: Path
    port: int
    command: tuple[str, ...]
    out: str
    record: dict[str, Any]


@pytest.fixture(scope="module")
def away(workplace: Callable[..., Workplace], tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Iterator[Away]:
    folder, port, command = tmp_path_factory.mktemp("s3"), free_port(), ("run", tiny, *CHEAP)
    uri = f"http://ann:{PASSWORD}@127.0.0.1:{port}"
    with s3_server(folder) as env, pytest.MonkeyPatch.context() as patch:
        place = workplace("away", **env, IFRL_ROOT="s3://ifrl/team/a", MLFLOW_TRACKING_URI=uri)
        for name, value in {**env, "IFRL_CACHE": place.env["IFRL_CACHE"]}.items():
            patch.setenv(name, value)
        done = place.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        objects = folder / "data" / "ifrl" / "team" / "a"
        yield Away(place, objects, port, command, done.stdout + done.stderr, newest_record(objects))


def newest_record(objects: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(max((objects / "runs").glob("*.json")).read_text())
    return record


def test_a_second_run_on_s3_is_from_cache(away: Away) -> None:
    assert not any(stage["cached"] for stage in away.record["stages"].values())
    again = away.place.run(*away.command)
    assert again.returncode == 0, again.stderr
    warm = away.place.summary()
    assert all(stage["cached"] for stage in warm["stages"].values())

    store = ArtifactStore("s3://ifrl/team/a")
    manifests = list(away.objects.rglob("manifest.json"))
    assert len(manifests) == len(warm["stages"])
    for path in manifests:
        ref = store.find(path.parent.parent.name, path.parent.name)
        assert isinstance(ref, ArtifactRef)
        store.verify(ref)


def test_mlflow_down_for_the_whole_run_is_told_afterwards(away: Away, tmp_path: Path) -> None:
    owed = away.record
    assert owed["state"] == "completed"
    assert owed["mlflow"]["url"] is None
    assert "(version pending)" in away.out
    assert f"ifrl track sync {owed['run']}" in away.out
    lines = [
        json.loads(line)
        for path in (away.objects / "runs" / f"{owed['run']}.tracking").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sum(line["entry"]["kind"] == "start" for line in lines) == 1 + len(owed["stages"])

    with mlflow_server(tmp_path / "mlflow", away.port) as uri:
        done = away.place.run("track", "sync", owed["run"], "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        (sent,) = json.loads(done.stdout)
        assert (sent["run"], sent["entries"], sent["lost"]) == (owed["run"], len(lines), 0)
        away.place.run("track", "sync")
        assert away.place.run("track", "sync").stdout.strip() == "MLflow is owed nothing"

        client = MlflowClient(uri)
        record = json.loads((away.objects / "runs" / f"{owed['run']}.json").read_text())
        shown = uri.replace("//", "//ann:***@")
        assert record["mlflow"] == {"uri": shown, "run_id": sent["run_id"], "url": sent["url"]}
        assert sent["url"].startswith(f"{uri}/#/experiments/")
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{sent['run_id']}'")
        runs = {run.info.run_name: run for run in (client.get_run(sent["run_id"]), *children)}
        assert set(runs) == {owed["run"], *owed["stages"]}
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        for stage, ref in owed["refs"].items():
            assert runs[stage].data.tags["fingerprint"] == ref["fingerprint"]
        rewards = client.get_metric_history(runs["policy"].info.run_id, "reward/total")
        assert [point.step for point in rewards] == [1, 2]
        assert {"memory/process_gib", *(f"seconds/{part}" for part in PARTS)} <= runs["policy"].data.metrics.keys()
        policy = runs["policy"].info
        assert all(policy.start_time < point.timestamp < policy.end_time for point in rewards)
        assert [file.path for file in client.list_artifacts(sent["run_id"])] == ["report.html"]
        for name, stage in (("ifrl-policy", "policy"), ("ifrl-reward-model", "reward-model")):
            (version,) = client.search_model_versions(f"name = '{name}'")
            assert version.tags["fingerprint"] == owed["refs"][stage]["fingerprint"]
            assert str(client.get_model_version_by_alias(name, "challenger").version) == str(version.version)


def test_the_password_of_the_tracking_uri_is_nowhere(away: Away) -> None:
    """After the runs and the syncs of this file: in no file, no line and nothing that Prefect was told."""
    assert PASSWORD not in away.out
    files = [path for folder in (away.objects, away.place.home) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    asked = ("/flow_runs/filter", "/task_runs/filter", "/logs/filter", "/artifacts/filter")
    assert not [path for path in asked if PASSWORD in json.dumps(away.place.ask(path, {}))]
