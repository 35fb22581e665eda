"""Where and how stages run changes nothing of what they make: threads, processes, Ray, another work pool."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.flows.servers import prefect_server
from tests.flows.workplace import REPO, TINY, Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]

DATASET = "import sys; from flows.pipeline import dataset; dataset(recipe=sys.argv[1], overrides=sys.argv[2:])"


def digest(place: Workplace, label: str) -> str:
    return str(place.record()["refs"][label]["digest"])


def run_dataset(place: Workplace, *overrides: str) -> None:
    command = [sys.executable, "-c", f"from ifrl_core.settings import *; configure_environment(); {DATASET}"]
    done = subprocess.run(
        [*command, TINY, *overrides], env=place.env, capture_output=True, text=True, cwd=REPO, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def in_threads(workplace: Callable[..., Workplace]) -> Workplace:
    place = workplace("threads")
    run_dataset(place)
    return place


@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_shards_on_two_workers_make_the_same_rollouts(
    in_threads: Workplace, workplace: Callable[..., Workplace], runner: str
) -> None:
    place = workplace(runner, OMP_NUM_THREADS="1")
    run_dataset(place, f"execution.runner={runner}", "execution.workers=2")
    assert digest(place, "rollouts") == digest(in_threads, "rollouts")
    assert digest(place, "labels") == digest(in_threads, "labels")
    shards = list((place.home / "store").glob("rollouts/*/part-*.parquet"))
    assert len(shards) == 3


@contextmanager
def worker(env: dict[str, str], pool: str, log: Path) -> Iterator[None]:
    with log.open("w") as stream:
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
        process = subprocess.Popen(command, env=env, stdout=stream, stderr=stream, cwd=REPO)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def ask(env: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(env["PREFECT_API_URL"] + path, json.dumps(body).encode(), headers), timeout=30) as answer:
        return json.load(answer)


def test_a_stage_runs_on_the_gpu_pool_while_the_pipeline_runs_on_the_cpu_pool(
    in_threads: Workplace, workplace: Callable[..., Workplace], tmp_path: Path
) -> None:
    place = workplace("placed")

    def prefect(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, cwd=REPO, timeout=600)

    with ExitStack() as stack:
        server = stack.enter_context(prefect_server(tmp_path))
        env = {**place.env, **server, "IFRL_CODE": str(REPO), "PREFECT_WORKER_QUERY_SECONDS": "2"}
        for pool, file in (("cpu", "prefect.yaml"), ("gpu", "gpu.yaml")):
            for arguments in (
                ["work-pool", "create", pool, "--type", "process"],
                ["deploy", "--all", "--prefect-file", f"deployments/{file}"],
            ):
                done = prefect(*arguments)
                assert done.returncode == 0, done.stdout + done.stderr
            stack.enter_context(worker(env, pool, tmp_path / f"{pool}.log"))
        overrides = json.dumps(["execution.deployments.rollouts=stage/gpu"])
        done = prefect(
            "deployment", "run", "dataset/cpu", "-p", f"recipe={TINY}", "-p", f"overrides={overrides}", "--watch"
        )
        assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "gpu.log").read_text()
        runs = {run["work_pool_name"]: run for run in ask(env, "/flow_runs/filter", {})}
        assert runs["gpu"]["state_type"] == runs["cpu"]["state_type"] == "COMPLETED"
        assert runs["gpu"]["parameters"]["name"] == "rollouts"
        assert runs["gpu"]["parent_task_run_id"], "not linked to the pipeline as its subflow"
        shards = ask(env, "/task_runs/filter", {"task_runs": {"name": {"like_": "rollout-shard"}}})
        assert {shard["flow_run_id"] for shard in shards} == {runs["gpu"]["id"]}
    assert digest(place, "rollouts") == digest(in_threads, "rollouts")
