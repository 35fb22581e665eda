"""Prefect away in the middle of a stage: the work goes on, and slots and states are right when the server answers again.

A few seconds in `make test`, five minutes in the soak, where MLflow is away as well.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow.tracking import MlflowClient
from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from flows.execution import alive, slots
from flows.execution.alive import TAKEN_FOR_DEAD, outlives_outages
from flows.execution.slots import slot
from ifrl_core.config import NoConfig
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from tasks import telling
from tasks.stages import stage_task
from tests.flows.gate import Gate, gate
from tests.flows.servers import ask, mlflow_server, postgres_server, prefect_on
from tests.flows.site import make_site
from tests.flows.test_deploy import SMALL
from tests.flows.test_kill import wait_for
from tests.flows.workplace import CHEAP, Workplace
from tests.patience import PATIENCE_S, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.server]
AWAY_S = 1.5
LIMIT = "away-slots"


@pytest.fixture
def gated(prefect: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The server behind a gate, for clients that give up at once."""
    monkeypatch.setenv("IFRL_ROOT", str(tmp_path))
    for name, seconds in (("_BEAT_S", 0.3), ("_AGAIN_S", 0.1)):
        monkeypatch.setattr(slots, name, seconds)
    monkeypatch.setattr(alive, "_LOOK_S", 0.5)
    monkeypatch.setattr(alive, "_EVENTS_WITHIN_S", 1.0)
    with gate(prefect["PREFECT_API_URL"]) as made:
        updates = {
            PREFECT_API_URL: made.of(prefect["PREFECT_API_URL"]),
            PREFECT_CLIENT_MAX_RETRIES: 3,
            PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results",
        }
        with temporary_settings(updates):
            yield made


def test_a_stage_goes_on_and_its_slot_state_and_progress_are_right_afterwards(
    gated: Gate, prefect: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = prefect["PREFECT_API_URL"]
    ask(api, "/v2/concurrency_limits/", {"name": LIMIT, "limit": 1})
    monkeypatch.setenv(slots.VARIABLE, LIMIT)
    taken: list[Any] = []
    first: list[int] = []
    take = slots._Slot.take

    def spied(self: Any) -> None:
        take(self)
        taken.append(self.lease)

    monkeypatch.setattr(slots._Slot, "take", spied)

    def held() -> int:
        return int(ask(api, f"/v2/concurrency_limits/{LIMIT}", method="GET")["active_slots"])

    @stage("away", version=1)
    def body(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
        monkeypatch.setattr(telling, "LAST_WORDS_S", PATIENCE_S)  # a busy server takes longer to hear the last of them
        work.progress(1, 10, "before")
        assert held() == 1
        with gated.shutting():
            ask(api, "/v2/concurrency_limits/decrement-with-lease", {"lease_id": str(taken[0])})  # as an expired one is
            mark = {"state": {"type": "CRASHED", "message": f"{TAKEN_FOR_DEAD} 90 seconds"}, "force": True}
            ask(api, f"/flow_runs/{flow_run.id}/set_state", mark)
            end, step, took_s = time.monotonic() + AWAY_S, 1, list[float]()
            while time.monotonic() < end or len(took_s) < 20:
                step += 1
                begun = time.monotonic()
                work.progress(step, 1000, "away")
                took_s.append(time.monotonic() - begun)
                time.sleep(0.05)
            assert statistics.median(took_s) < 0.5, "the outage holds the work up"
            first.append(ask(api, f"/flow_runs/{flow_run.id}", method="GET")["run_count"])
        wait_until(lambda: held() == 1)
        wait_until(lambda: ask(api, f"/flow_runs/{flow_run.id}", method="GET")["state_type"] == "RUNNING")
        # The server counts the objection as an attempt; to the run, and to who waits for it, it is none.
        mended = ask(api, f"/flow_runs/{flow_run.id}", method="GET")
        assert mended["run_count"] == first[0] + 1
        ask(api, f"/flow_runs/{flow_run.id}/set_state", mark)
        wait_until(lambda: ask(api, f"/flow_runs/{flow_run.id}", method="GET")["state_type"] == "RUNNING")
        work.progress(1000, 1000, "after")
        return {"steps": step}

    @stage("away-whole", version=1)
    def whole(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
        monkeypatch.setattr(telling, "LAST_WORDS_S", 1.0)
        work.progress(1, 1, "made without a server")
        return {}

    @flow
    def away() -> str:
        with outlives_outages(), slot():
            stage_task(body)(NoConfig(), {}, seed=0, fingerprint=uuid4().hex, run=None)
            with gated.shutting():
                stage_task(whole)(NoConfig(), {}, seed=0, fingerprint=uuid4().hex, run=None)
        return str(flow_run.id)

    identity = away()
    assert len(taken) == 2
    assert held() == 0
    assert ask(api, f"/flow_runs/{identity}", method="GET")["state_type"] == "COMPLETED"
    of_run = {"flow_runs": {"id": {"any_": [identity]}}}

    def states() -> list[str]:
        return [task["state_type"] for task in ask(api, "/task_runs/filter", of_run)]

    wait_until(lambda: set(states()) == {"COMPLETED"}, lambda: str(states()))
    (progress,) = ask(api, "/artifacts/latest/filter", {"artifacts": {"key": {"any_": ["progress-away"]}}})
    assert float(progress["data"]) == 100
    assert progress["description"] == "after"


@pytest.mark.e2e
@pytest.mark.soak
@pytest.mark.timeout(1_500)
def test_five_minutes_without_prefect_and_mlflow_in_the_middle_of_training_cost_nothing(
    workplace: Callable[..., Workplace], prefect: dict[str, str], tiny: str, tmp_path: Path
) -> None:
    port = free_port()
    api = prefect["PREFECT_API_URL"]
    with mlflow_server(tmp_path / "mlflow", port) as uri, gate(api) as to_prefect, gate(uri) as to_mlflow:
        place = workplace("away", PREFECT_API_URL=to_prefect.of(api), MLFLOW_TRACKING_URI=to_mlflow.of(uri))
        steps = ("--set", "policy.max_steps=400", "--set", "policy.save_steps=50")
        process = place.start("run", tiny, *CHEAP, *steps, "--set", "policy.launch.show_samples_every=5")
        scratch = place.home / "store" / ".scratch"
        wait_for(lambda: any(path.stat().st_size for path in scratch.glob("policy-*/metrics.jsonl")), process)
        with to_prefect.shutting(), to_mlflow.shutting():
            time.sleep(300)
        assert process.wait(PATIENCE_S) == 0, (place.home.parent / "ifrl.log").read_text()
        record = place.record()
        assert record["state"] == "completed"
        identity = record["prefect"]["flow_run_id"]
        assert ask(api, f"/flow_runs/{identity}", method="GET")["state_type"] == "COMPLETED"
        of_run = {"flow_runs": {"id": {"any_": [identity]}}}
        wait_until(lambda: {task["state_type"] for task in ask(api, "/task_runs/filter", of_run)} == {"COMPLETED"})
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name("ifrl").experiment_id])
        assert {run.info.status for run in runs} == {"FINISHED"}
        policy = next(run for run in runs if run.info.run_name == "policy")
        points = client.get_metric_history(policy.info.run_id, "reward/total")
        assert sorted({point.step for point in points}) == list(range(1, 401))


@pytest.mark.e2e
@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_a_deployed_run_outlives_a_server_that_is_away_for_longer_than_its_heartbeats(tmp_path: Path) -> None:
    """The server itself is stopped and started again, with its automations: the run is not started anew, its slot stays."""
    port, starts = free_port(), tmp_path / "starts"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "IFRL_"))}
    with postgres_server() as database:
        with ExitStack() as first:
            env = first.enter_context(prefect_on(database, tmp_path, port))
            site = make_site(tmp_path, env, {**kept, "IFRL_HOME": str(tmp_path / "home")})
            deployed = site.ifrl("deploy", "--file", SMALL, "--slots", "gpu=1")
            assert deployed.returncode == 0, deployed.stderr
            worker = ExitStack()
            worker.enter_context(site.worker("cpu"))
            identity = site.start("small/pipeline", seconds=240, starts=str(starts))
            wait_until(starts.exists, site.logs)
            time.sleep(35)  # a heartbeat, at least
        with worker:
            time.sleep(110)
            with prefect_on(database, tmp_path, port):
                wait_until(lambda: site.state(identity) == "COMPLETED", site.logs)  # after Crashed, for a moment
                assert len(starts.read_text().splitlines()) == 1
                states = site.ask(f"/flow_run_states/?flow_run_id={identity}", method="GET")
                assert "AwaitingRetry" not in [state["name"] for state in states]
                print([state["name"] for state in states])
                wait_until(lambda: site.ask("/v2/concurrency_limits/gpu", method="GET")["active_slots"] == 0)
