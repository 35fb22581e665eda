"""MLflow down for a whole run: the run ends well, and `ifrl track sync` brings everything there afterwards."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.tracking.sink import EXPERIMENT
from tests.flows.servers import free_port, mlflow_server
from tests.flows.workplace import CHEAP, TINY, Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]


def test_mlflow_down_for_the_whole_run(workplace: Callable[..., Workplace], tmp_path: Path) -> None:
    port = free_port()
    place = workplace("down", MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
    done = place.run("run", TINY, *CHEAP)
    assert done.returncode == 0, done.stdout + done.stderr
    owed = place.record()
    assert owed["state"] == "completed"
    assert owed["mlflow"]["url"] is None
    assert "(version pending)" in done.stdout
    assert f"ifrl track sync {owed['run']}" in done.stdout + done.stderr
    lines = [
        json.loads(line)
        for path in (place.home / "store" / "runs" / f"{owed['run']}.tracking").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sum(line["entry"]["kind"] == "start" for line in lines) == 1 + len(owed["stages"])

    with mlflow_server(tmp_path / "mlflow", port) as uri:
        done = place.run("track", "sync", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        (sent,) = json.loads(done.stdout)
        assert (sent["run"], sent["entries"], sent["lost"]) == (owed["run"], len(lines), 0)
        assert place.run("track", "sync").stdout.strip() == "MLflow is owed nothing"

        client, record = MlflowClient(uri), place.record()
        assert record["mlflow"] == {"uri": uri, "run_id": sent["run_id"], "url": sent["url"]}
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        runs = {run.info.run_name: run for run in client.search_runs([experiment])}
        assert set(runs) == {owed["run"], *owed["stages"]}
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        parents = {run.data.tags.get("mlflow.parentRunId") for name, run in runs.items() if name != owed["run"]}
        assert parents == {runs[owed["run"]].info.run_id}
        for stage, ref in owed["refs"].items():
            assert runs[stage].data.tags["fingerprint"] == ref["fingerprint"]
        rewards = client.get_metric_history(runs["policy"].info.run_id, "reward/total")
        assert [point.step for point in rewards] == [1, 2]
        assert all(runs["policy"].info.start_time < point.timestamp < runs["policy"].info.end_time for point in rewards)
        assert [file.path for file in client.list_artifacts(sent["run_id"])] == ["report.html"]
        for name, stage in (("ifrl-policy", "policy"), ("ifrl-reward-model", "reward-model")):
            (version,) = client.search_model_versions(f"name = '{name}'")
            assert version.tags["fingerprint"] == owed["refs"][stage]["fingerprint"]
            assert str(client.get_model_version_by_alias(name, "challenger").version) == str(version.version)
