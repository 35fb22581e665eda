"""Stages on the pool gpu of a pipeline on the pool cpu: same data, one fate, and they are never left behind.

One workplace serves all tests here: later runs find the earlier stages in the store.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.flows.site import Site, make_site
from tests.flows.workplace import Workplace, trainings_of
from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.server]

# So many passes that training is still going on when a test interferes.
LONG = ["execution.deployments.reward-model=gpu", "reward_model.epochs=4000"]
SLOW = "rollouts.max_tokens=400"  # a shard takes longer than it takes to find and kill its pipeline


class Placed:
    """A server with workers on both pools, and the workplace that they share."""

    def __init__(self, site: Site, place: Workplace, recipe: str) -> None:
        self.site, self.place, self.recipe = site, place, recipe

    @property
    def store(self) -> Path:
        return self.place.home / "store"

    def start(self, deployment: str, *overrides: str) -> str:
        return self.site.start(deployment, recipe=self.recipe, overrides=list(overrides))

    def child_of(self, run_id: str) -> dict[str, Any]:
        """The newest stage run that was started for a pipeline's run."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            body = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}, "sort": "EXPECTED_START_TIME_DESC"}
            found[:] = self.site.ask("/flow_runs/filter", body)
            return bool(found)

        wait_until(look, self.site.logs)
        return found[0]

    def trainer_of(self, child_id: str) -> psutil.Process:
        """The training process of a stage run, once it has made a step."""
        stage = self.site.process_of(child_id)  # which may wait for its slot for another minute
        seen = set(self.store.glob(".scratch/reward-model-*/**/metrics.jsonl"))

        def steps() -> bool:
            files = self.store.glob(".scratch/reward-model-*/**/metrics.jsonl")
            return any(path.stat().st_size and (path not in seen or path.stat().st_mtime > began) for path in files)

        began = stage.create_time()
        wait_until(steps, self.site.logs)
        return trainings_of(stage)[-1]

    def free_slots(self) -> int:
        limit = self.site.ask("/v2/concurrency_limits/gpu", method="GET")
        return int(limit["limit"] - limit["active_slots"])


@pytest.fixture(scope="module")
def placed(
    prefect: dict[str, str], workplace: Callable[..., Workplace], tmp_path_factory: pytest.TempPathFactory, tiny: str
) -> Iterator[Placed]:
    place = workplace("placed")
    site = make_site(tmp_path_factory.mktemp("placed-logs"), prefect, place.env)
    done = site.ifrl("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    with site.worker("cpu"), site.worker("gpu"):
        yield Placed(site, place, tiny)


def test_a_stage_runs_on_the_other_pool_and_a_killed_run_goes_on_from_it(placed: Placed) -> None:
    run_id = placed.start("dataset/dataset", "execution.deployments.rollouts=gpu", SLOW)
    child = placed.child_of(run_id)
    assert child["work_pool_name"] == "gpu"
    assert child["parameters"]["name"] == "rollouts"
    wait_until(lambda: bool(list(placed.store.glob("rollouts/*/part-000000-*.parquet.json"))), placed.site.logs)
    placed.site.process_of(run_id).send_signal(signal.SIGKILL)

    assert placed.site.ended(child["id"])["state_type"] in ("CANCELLED", "COMPLETED"), "a stage outlives its pipeline"
    wait_until(lambda: placed.site.state(run_id) in ("COMPLETED", "FAILED"), placed.site.logs)
    run = placed.site.run(run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 2)
    stages = placed.place.record()["stages"]
    assert all(stages[name]["cached"] for name in ("seeds", "instructions", "prompts"))
    shards = placed.site.ask("/task_runs/filter", {"task_runs": {"name": {"like_": "rollout-shard"}}})
    assert run_id not in {shard["flow_run_id"] for shard in shards}
    wait_until(lambda: placed.free_slots() == 1)


def test_the_parent_fails_with_the_reason_of_the_child(placed: Placed) -> None:
    wishes = [
        "reward_model.launch={device: gpu, strategy: ddp, processes_per_machine: 4}",
        "reward_model.micro_batch=1",
    ]  # more GPUs than there are
    run_id = placed.start("reward-model/reward-model", "execution.deployments.reward-model=gpu", *wishes)
    run = placed.site.ended(run_id)
    reason = placed.site.run(placed.child_of(run_id)["id"])["state"]["message"]
    assert run["state_type"] == "FAILED"
    assert "reward_model.launch wants 4 GPUs" in reason
    assert f"stage reward-model as deployment stage/gpu ended as Failed: {reason}" in run["state"]["message"]


def test_cancelling_the_parent_ends_every_process(placed: Placed) -> None:
    run_id = placed.start("reward-model/reward-model", *LONG)
    child = placed.child_of(run_id)
    trainer = placed.trainer_of(child["id"])
    assert placed.free_slots() == 0
    parent, stage = placed.site.process_of(run_id), placed.site.process_of(child["id"])
    state = {"state": {"type": "CANCELLING"}}
    placed.site.ask(f"/flow_runs/{run_id}/set_state", state)
    _, alive = psutil.wait_procs([parent, stage, trainer], timeout=PATIENCE_S)
    assert not alive
    assert placed.site.ended(run_id)["state_type"] == "CANCELLED"
    assert placed.site.ended(child["id"])["state_type"] == "CANCELLED"


def test_a_stage_that_crashes_is_started_again_and_waits_for_its_slot(placed: Placed) -> None:
    run_id = placed.start("reward-model/reward-model", *LONG)
    child = placed.child_of(run_id)
    trainer = placed.trainer_of(child["id"])
    assert placed.free_slots() == 0
    placed.site.process_of(child["id"]).send_signal(signal.SIGKILL)
    assert not psutil.wait_procs([trainer], timeout=PATIENCE_S)[1], "a training process outlives its stage"
    wait_until(lambda: placed.child_of(run_id)["id"] != child["id"], placed.site.logs)
    again = placed.child_of(run_id)
    assert placed.site.run(child["id"])["state_type"] == "CRASHED"
    wait_until(lambda: placed.site.state(again["id"]) == "RUNNING", placed.site.logs)
    placed.site.ask(f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    assert placed.site.ended(again["id"])["state_type"] == "CANCELLED"
