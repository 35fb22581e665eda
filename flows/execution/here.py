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
from ifrl_core.config import ExecutionConfig, GenerationConfig
from ifrl_core.errors import ConfigError
from ifrl_core.inference.devices import devices_here, shared_out
from ifrl_core.reward_model.scores.stage import ScoresConfig
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


@contextmanager
def devices_of_workers(call: Call, execution: ExecutionConfig) -> Iterator[None]:
    """Worker processes on this machine have a GPU each, where there are several and their models are here."""
    local = execution.runner == "processes" and _loads_model(call)
    with shared_out(devices_here() if local else []):
        yield


@contextmanager
def gpu_a_task(call: Call, execution: ExecutionConfig) -> Iterator[None]:
    """A task asks Ray for a GPU where its cluster, which runs by now, has some: Ray hides them from tasks that do not ask."""
    if execution.runner != "ray" or not _loads_model(call):
        yield
        return
    import ray
    from prefect_ray.context import remote_options

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    with remote_options(num_gpus=1 if resources.get("GPU") else 0):
        yield


def _loads_model(call: Call) -> bool:
    """Whether its shards are answered or scored by a model in the process that makes them."""
    return isinstance(call.config, GenerationConfig | ScoresConfig) and call.config.engine != "server"


def make_here(call: Call, store: ArtifactStore, execution: ExecutionConfig, label: str) -> ArtifactRef:
    """The artifact of a call, out of the store or made in a task run called `label`."""
    cached = call.find(store) is not None
    if not cached:
        map_shards(call, store, execution)
    # A cached reference whose manifest is gone must not be believed.
    task = stage_task(call.stage).with_options(refresh_cache=not cached, task_run_name=label)
    return task(
        call.config,
        call.inputs,
        seed=call.seed,
        fingerprint=call.fingerprint,
        run=call.run,
        reasoning=call.reasoning,
    )


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
        "reasoning": call.reasoning,
    }
    with (
        _one_server(),
        devices_of_workers(call, execution),
        task_runner(execution) as runner,
        gpu_a_task(call, execution),
    ):
        parameters = {**{name: unmapped(value) for name, value in of_all.items()}, "index": list(range(total))}
        runner.map(shard_task(call.stage), parameters).result()  # type: ignore[arg-type]
