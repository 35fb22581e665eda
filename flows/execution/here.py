"""A stage that this process runs: its shards as mapped tasks, on the task runner that the recipe names, then its own task."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_client, unmapped
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from flows.execution.call import Call
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import ExecutionConfig
from ifrl_core.errors import ConfigError
from tasks.stages import shard_task, stage_task


def task_runner(config: ExecutionConfig) -> TaskRunner[Any]:
    """The task runner of a recipe.

    Raises:
        ConfigError: when the recipe names ray and prefect-ray is not installed.
    """
    if config.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=config.workers)
    if config.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=config.workers)
    try:
        from prefect_ray.task_runners import RayTaskRunner
    except ImportError as error:
        raise ConfigError(f"execution.runner ray needs the extra ray (pip install 'ifrl[ray]'): {error}") from error
    address = os.environ.get("RAY_ADDRESS")
    local = {"num_cpus": config.workers, "include_dashboard": False}
    runner: TaskRunner[Any] = RayTaskRunner(address=address) if address else RayTaskRunner(init_kwargs=local)
    return runner


@contextmanager
def _one_server() -> Iterator[None]:
    """Where a temporary server runs, worker processes use it too, instead of starting one each."""
    if PREFECT_API_URL.value():
        yield
        return
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def make_here(call: Call, store: ArtifactStore, execution: ExecutionConfig, label: str) -> ArtifactRef:
    """The artifact of a call, out of the store or made in a task run called `label`."""
    cached = call.find(store) is not None
    if not cached:
        map_shards(call, store, execution)
    # A cached reference whose manifest is gone must not be believed.
    task = stage_task(call.stage).with_options(refresh_cache=not cached, task_run_name=label)
    return task(call.config, call.inputs, seed=call.seed, fingerprint=call.fingerprint, run=call.run)


def map_shards(call: Call, store: ArtifactStore, execution: ExecutionConfig) -> None:
    """Make every shard of a stage that has some; shards that are there already are found by their tasks."""
    shards = call.stage.shards
    if shards is None:
        return
    total = shards.count(call.config, call.inputs, store)
    of_all = {
        "config": call.config,
        "inputs": call.inputs,
        "total": total,
        "seed": call.seed,
        "fingerprint": call.fingerprint,
        "run": call.run,
    }
    with _one_server(), task_runner(execution) as runner:
        parameters = {**{name: unmapped(value) for name, value in of_all.items()}, "index": list(range(total))}
        runner.map(shard_task(call.stage), parameters).result()  # type: ignore[arg-type]
