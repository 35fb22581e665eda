"""One cached Prefect task per stage.

The cache key is the stage's name and fingerprint, so a hit needs no database. The manifest has the last word: the flow asks
for a refresh when it is gone, and the body looks for it again before it computes.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.config import RolloutsConfig
from ifrl_core.errors import StoreOutageError
from ifrl_core.evaluation import comparison
from ifrl_core.evaluation import stage as evaluate
from ifrl_core.evaluation.benchmarks import ifeval
from ifrl_core.instructions import pass_rates
from ifrl_core.instructions import stage as dataset
from ifrl_core.labels import stage as labels
from ifrl_core.models import stage as models
from ifrl_core.policy import stage as policy_train
from ifrl_core.report import stage as report_write
from ifrl_core.reward_model.train import stage as reward_model_train
from ifrl_core.rewards.problems import stage as problems
from ifrl_core.rollouts import stage as rollouts
from ifrl_core.seeds import fresh
from ifrl_core.seeds import stage as seeds_stage
from ifrl_core.settings import store_root
from ifrl_core.stages.stage import Stage
from ifrl_core.tracking.tracker import TrackedRun
from tasks.logs import configure_logs
from tasks.progress import TaskProgress
from tasks.secrets import load_secrets

StageTask = Task[..., ArtifactRef]

configure_logs()


def open_store() -> ArtifactStore:
    load_secrets()
    return ArtifactStore(store_root())


def _key(name: str) -> Callable[[TaskRunContext, dict[str, Any]], str]:
    return lambda context, arguments: f"{name}-{arguments['fingerprint']}"


def _worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """An outage may pass; what a user has to mend will not."""
    return isinstance(state.result(raise_on_failure=False), StoreOutageError | OSError)


def stage_task(stage: Stage) -> StageTask:
    """The task of a stage: same arguments, plus the fingerprint that keys its cache and the MLflow run it logs to."""

    @task(
        name=stage.name,
        cache_key_fn=_key(stage.name),
        persist_result=True,
        result_serializer="json",
        retries=2,
        retry_delay_seconds=[2, 10],
        retry_condition_fn=_worth_retrying,
    )
    def run_stage(
        config: BaseModel, inputs: dict[str, ArtifactRef], *, seed: int, fingerprint: str, run: TrackedRun | None
    ) -> ArtifactRef:
        with closing(TaskProgress(stage.name, run)) as progress:
            return stage(config, inputs, open_store(), progress, seed=seed)

    return run_stage


@task(
    name="rollout-shard",
    task_run_name="rollout-shard-{index}",
    cache_key_fn=lambda context, arguments: f"rollout-shard-{arguments['fingerprint']}-{arguments['index']}",
    persist_result=True,
    result_serializer="json",
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=_worth_retrying,
)
def rollout_shard(
    config: RolloutsConfig,
    inputs: dict[str, ArtifactRef],
    *,
    index: int,
    total: int,
    seed: int,
    fingerprint: str,
    run: TrackedRun | None,
) -> ShardRecord:
    """Make one shard of the rollouts artifact; the stage's own task gathers the shards and commits."""
    with closing(TaskProgress(f"rollouts {index + 1}/{total}", run)) as progress:
        work = rollouts.make_rollouts.work(config, inputs, open_store(), progress, seed=seed)
        return rollouts.make_rollout_shard(config, inputs, work, index)


import_model = stage_task(models.import_model)
make_seeds = stage_task(seeds_stage.make_seeds)
make_retrain_seeds = stage_task(fresh.make_retrain_seeds)
measure_pass_rates = stage_task(pass_rates.measure_pass_rates)
make_instructions = stage_task(dataset.make_instructions)
make_prompts = stage_task(dataset.make_prompts)
make_rollouts = stage_task(rollouts.make_rollouts)
make_labels = stage_task(labels.make_labels)
train_reward_model = stage_task(reward_model_train.train_reward_model)
train_policy = stage_task(policy_train.train_policy)
make_problems = stage_task(problems.make_problems)
import_ifeval = stage_task(ifeval.import_ifeval)
evaluate_model = stage_task(evaluate.evaluate)
compare = stage_task(comparison.compare)
write_report = stage_task(report_write.write_report)
