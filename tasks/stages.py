"""A cached Prefect task for each stage, and for each shard of one.

The cache key is the stage's name and fingerprint, so a hit needs no database. The manifest has the last word: the flow asks
for a refresh when it is gone, and the body looks for it again before it computes.
"""

from collections.abc import Callable
from contextlib import closing
from functools import cache
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.errors import StoreOutageError
from ifrl_core.inference.devices import take_device
from ifrl_core.settings import store_root
from ifrl_core.stages import registry
from ifrl_core.stages.stage import Stage
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.tracking.tracker import TrackedRun
from tasks.logs import configure_logs
from tasks.progress import TaskProgress
from tasks.secrets import load_secrets

StageTask = Task[..., ArtifactRef]
ShardTask = Task[..., ShardRecord]

configure_logs()


def open_store() -> ArtifactStore:
    load_secrets()
    return ArtifactStore(store_root())


def _worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """An outage may pass; what a user has to mend will not."""
    return isinstance(state.result(raise_on_failure=False), StoreOutageError | OSError)


def _cached(name: str, key: Callable[[dict[str, Any]], str]) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """A task that is tried again after an outage, its result kept as JSON under `key` of its arguments."""
    return task(
        name=name,
        cache_key_fn=lambda context, arguments: key(arguments),
        persist_result=True,
        result_serializer="json",
        retries=2,
        retry_delay_seconds=[2, 10],
        retry_condition_fn=_worth_retrying,
    )


def _of_shard(arguments: dict[str, Any]) -> str:
    """Which shard, and how they are cut, which the config says and the fingerprint does not."""
    return f"{arguments['index']}-{digest_of_bytes(arguments['config'].model_dump_json().encode())[:16]}"


@cache
def stage_task(stage: Stage) -> StageTask:
    """The task of a stage: same arguments, plus the fingerprint that keys its cache and the MLflow run it logs to."""

    @_cached(stage.name, lambda arguments: f"{stage.name}-{arguments['fingerprint']}")
    def run_stage(
        config: BaseModel,
        inputs: dict[str, ArtifactRef],
        *,
        seed: int,
        fingerprint: str,
        run: TrackedRun | None,
        reasoning: Reasoning = THINK,
    ) -> ArtifactRef:
        with closing(TaskProgress(stage.name, run)) as progress:
            return stage(config, inputs, open_store(), progress, seed=seed, reasoning=reasoning)

    return run_stage


@cache
def shard_task(stage: Stage) -> ShardTask:
    """The task of one shard of a stage; the stage's own task gathers the shards and commits."""
    name, shards = stage.name, stage.shards
    assert shards is not None, f"{name} is not made by shards"
    unit = shards.name

    @_cached(unit, lambda arguments: f"{unit}-{arguments['fingerprint']}-{_of_shard(arguments)}")
    def make_shard(
        config: BaseModel,
        inputs: dict[str, ArtifactRef],
        *,
        index: int,
        total: int,
        seed: int,
        fingerprint: str,
        run: TrackedRun | None,
        reasoning: Reasoning = THINK,
    ) -> ShardRecord:
        take_device()
        of_name = registry.find(name)  # by name: other processes get this function pickled
        assert of_name.shards is not None
        with closing(TaskProgress(f"{name} {index + 1}/{total}", run)) as progress:
            work = of_name.work(config, inputs, open_store(), progress, seed=seed, reasoning=reasoning)
            return of_name.shards.make(config, inputs, work, index)

    return make_shard.with_options(task_run_name=f"{unit}-{{index}}")
