"""SIGKILL at any stage: the same command goes on from what was committed and ends with the same data."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import psutil
import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.tracking.sink import EXPERIMENT
from tests.flows.workplace import Workplace, trainings_of
from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.server]


def wait_for(found: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE_S
    while not found():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "the moment to kill never came"
        time.sleep(0.01)


def kill(process: "subprocess.Popen[str]") -> int:
    """SIGKILL the command; returns how many processes trained for it, which end by themselves."""
    trainings = trainings_of(psutil.Process(process.pid))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(trainings, timeout=PATIENCE_S)
    assert not alive, "a training process outlived its parent"
    return len(trainings)


def weights_of(place: Workplace, refs: dict[str, Any]) -> dict[str, str]:
    """sha256 of the policy's weight files."""
    store = ArtifactStore(str(place.home / "store"))
    shards = store.manifest(ArtifactRef.model_validate(refs["policy"])).shards
    return {shard.name: shard.sha256 for shard in shards if shard.name.endswith(".safetensors")}


def servers_of(place: Workplace) -> list[int]:
    """Temporary Prefect servers that run for this work folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "prefect.server.api.server:create_app" in (process.info["cmdline"] or ()):
            with suppress(psutil.Error):  # that of another test may end meanwhile
                found += [process.pid] if process.environ().get("IFRL_HOME") == str(place.home) else []
    return found


def states_in_mlflow(place: Workplace) -> dict[str, Counter[str]]:
    client = MlflowClient(f"sqlite:///{place.home / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    children = {True: "child", False: "parent"}
    kinds = [(children["mlflow.parentRunId" in run.data.tags], run.info.status) for run in runs]
    return {name: Counter(status for kind, status in kinds if kind == name) for name in children.values()}


def states_in_prefect(place: Workplace, table: str) -> Counter[str]:
    """Of the runs in the database of the temporary servers."""
    with closing(sqlite3.connect(place.home / "prefect" / "prefect.db")) as database:
        return Counter(row[0] for row in database.execute(f"select state_type from {table}"))


def test_killed_in_each_long_stage_it_ends_with_the_data_of_an_undisturbed_run(
    whole_run: Workplace, workplace: Callable[..., Workplace], tiny: str, ifeval: tuple[str, ...]
) -> None:
    """The command line itself, with Prefect's temporary server, which a kill leaves behind."""
    killed, command = workplace("killed", own_server=True), ("run", tiny, *ifeval)
    store = killed.home / "store"
    moments = {
        "rollouts": lambda: bool(list(store.glob("rollouts/*/part-000000-*.parquet.json"))),
        "reward model": lambda: any(
            path.stat().st_size for path in store.glob(".scratch/reward-model-*/**/metrics.jsonl")
        ),
        "policy": lambda: bool(list(store.glob(".scratch/policy-*/**/checkpoint-1/trainer_state.json"))),
    }
    for stage, moment in moments.items():
        process = killed.start(*command)
        wait_for(moment, process)
        trainings = kill(process)
        assert trainings or stage != "policy", "nothing trained that could outlive it"
    first_shard = next(store.glob("rollouts/*/part-000000-*.parquet"))
    made_at = first_shard.stat().st_mtime_ns
    assert servers_of(killed), "no orphan to end: this test no longer shows anything"
    process = killed.start(*command)
    assert process.wait(PATIENCE_S) == 0, (killed.home.parent / "ifrl.log").read_text()
    wait_until(lambda: not servers_of(killed), lambda: "a temporary server of a killed run stays behind")

    assert states_in_mlflow(killed)["parent"] == {"KILLED": 3, "FINISHED": 1}
    assert set(states_in_mlflow(killed)["child"]) == {"KILLED", "FINISHED"}
    assert states_in_prefect(killed, "flow_run") == {"CRASHED": 3, "COMPLETED": 1}
    assert not {"RUNNING", "PENDING"} & set(states_in_prefect(killed, "task_run"))
    assert not list((store / "runs").glob("*.begun"))
    assert_same_data(killed, whole_run)
    assert first_shard.stat().st_mtime_ns == made_at, "a committed shard was made again"
    assert not [path for path in store.rglob(".tmp-*") if "part-" in path.name and path.parent == first_shard.parent]


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 21))
def test_a_random_kill_costs_only_time(
    whole_run: Workplace,
    workplace: Callable[..., Workplace],
    tiny: str,
    ifeval: tuple[str, ...],
    soak_random: random.Random,
    number: int,
) -> None:
    """Killed some seconds after some artifact was there: nothing of what is made is lost or changed."""
    place, command = workplace("soak"), ("run", tiny, *ifeval)
    artifacts, seconds = soak_random.randrange(len(whole_run.records()[0]["refs"])), soak_random.uniform(0, 8)
    print(f"killed {seconds:.2f} s after artifact {artifacts}")
    process = place.start(*command)
    wait_for(lambda: len(list((place.home / "store").glob("*/*/manifest.json"))) >= artifacts, process)
    time.sleep(seconds)
    if process.poll() is None:  # on a fast machine the last moments come after its end
        kill(process)
    done = place.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_data(place, whole_run)
    shutil.rmtree(place.home)


def assert_same_data(place: Workplace, whole_run: Workplace) -> None:
    """The newest run of a workplace made what the undisturbed run did."""
    expected, refs = whole_run.records()[0]["refs"], place.record()["refs"]
    # The policy's own digest covers metrics.parquet, whose wall-clock seconds no two runs share; its weights are compared.
    data = [name for name in expected if name not in ("policy", "report")]
    assert {name: refs[name]["digest"] for name in data} == {name: expected[name]["digest"] for name in data}
    assert weights_of(place, refs) == weights_of(whole_run, expected)
