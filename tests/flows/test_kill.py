"""SIGKILL at any stage: the same command goes on from what was committed and ends with the same data."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.flows.workplace import Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.xdist_group("whole-run")]


def wait_for(found: Callable[[], bool], process: "subprocess.Popen[str]", timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while not found():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "the moment to kill never came"
        time.sleep(0.05)


def kill_when(place: Workplace, command: tuple[str, ...], moment: Callable[[], bool]) -> None:
    process = place.start(*command)
    wait_for(moment, process)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    trainers = [child for child in children if "train_process" in " ".join(_command_line(child))]
    _, alive = psutil.wait_procs(trainers, timeout=20)
    assert not alive, "a training process outlived its parent"


def weights_of(place: Workplace, refs: dict[str, Any]) -> dict[str, str]:
    """sha256 of the policy's weight files."""
    store = ArtifactStore(str(place.home / "store"))
    shards = store.manifest(ArtifactRef.model_validate(refs["policy"])).shards
    return {shard.name: shard.sha256 for shard in shards if shard.name.endswith(".safetensors")}


def servers_of(place: Workplace) -> list[int]:
    """Temporary Prefect servers that run for this work folder."""
    return [
        process.pid
        for process in psutil.process_iter()
        if "prefect.server.api.server:create_app" in _command_line(process)
        and process.environ().get("IFRL_HOME") == str(place.home)
    ]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_killed_in_each_long_stage_it_ends_with_the_data_of_an_undisturbed_run(
    whole_run: Workplace, workplace: Callable[..., Workplace], tiny: str, ifeval: tuple[str, ...]
) -> None:
    """The command line itself, with Prefect's temporary server, which a kill leaves behind."""
    killed, command = workplace("killed", own_server=True), ("run", tiny, *ifeval)
    store = killed.home / "store"
    moments = {
        "rollouts": lambda: bool(list(store.glob("rollouts/*/part-00000.parquet.json"))),
        "reward model": lambda: bool(list(store.glob(".scratch/reward-model-*/**/metrics.jsonl"))),
        "policy": lambda: bool(list(store.glob(".scratch/policy-*/**/checkpoint-1/trainer_state.json"))),
    }
    for moment in moments.values():
        kill_when(killed, command, moment)
    first_shard = next(store.glob("rollouts/*/part-00000.parquet"))
    made_at = first_shard.stat().st_mtime_ns
    assert servers_of(killed), "no orphan to end: this test no longer shows anything"
    process = killed.start(*command)
    assert process.wait(600) == 0, (killed.home.parent / "ifrl.log").read_text()
    assert not servers_of(killed), "a temporary server of a killed run stays behind"

    expected, found = whole_run.records()[0]["refs"], killed.record()["refs"]
    # The policy's own digest covers metrics.parquet, whose wall-clock seconds no two runs share; its weights are compared.
    data = [name for name in expected if name not in ("policy", "report")]
    assert {name: found[name]["digest"] for name in data} == {name: expected[name]["digest"] for name in data}
    assert weights_of(killed, found) == weights_of(whole_run, expected)
    assert first_shard.stat().st_mtime_ns == made_at, "a committed shard was made again"
    assert not [
        path for path in Path(store).rglob(".tmp-*") if "part-" in path.name and path.parent == first_shard.parent
    ]
