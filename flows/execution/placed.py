"""A stage on another work pool: the pipeline waits on a CPU pool while a deployment `stage/...` has the GPU.

Both see the same storage root; only references travel. Where the deployment names a limit of GPU slots (`IFRL_SLOTS`, a
variable of its environment), the stage holds one of them while it works.
"""

from typing import Any

from prefect import flow
from pydantic import BaseModel

from flows.execution.child_runs import run_child, while_parent_runs
from flows.execution.shards import map_shards
from flows.execution.slots import slot
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import (
    EvaluationConfig,
    ExecutionConfig,
    InstructionsConfig,
    PlaceableStage,
    PolicyConfig,
    RewardModelConfig,
    RolloutsConfig,
    StageConfig,
)
from ifrl_core.errors import ConfigError, PlacementError
from ifrl_core.evaluation import stage as evaluate
from ifrl_core.instructions import pass_rates
from ifrl_core.instructions import stage as dataset
from ifrl_core.policy import stage as policy
from ifrl_core.reward_model.train import stage as reward_model
from ifrl_core.rollouts import stage as rollouts
from ifrl_core.stages.stage import Stage
from ifrl_core.tracking.tracker import TrackedRun
from ifrl_core.training.child import sigterm_asks_children_to_stop
from tasks import stages as tasks

PLACEABLE: dict[str, tuple[Stage, tasks.StageTask, type[StageConfig]]] = {
    "pass-rates": (pass_rates.measure_pass_rates, tasks.measure_pass_rates, pass_rates.PassRatesPlan),
    "instructions": (dataset.make_instructions, tasks.make_instructions, InstructionsConfig),
    "rollouts": (rollouts.make_rollouts, tasks.make_rollouts, RolloutsConfig),
    "reward-model": (reward_model.train_reward_model, tasks.train_reward_model, RewardModelConfig),
    "policy": (policy.train_policy, tasks.train_policy, PolicyConfig),
    "evaluation": (evaluate.evaluate, tasks.evaluate_model, EvaluationConfig),
}


@flow(name="stage", log_prints=False, result_serializer="json", persist_result=True)
def stage(
    name: PlaceableStage,
    config: dict[str, Any],
    inputs: dict[str, ArtifactRef],
    seed: int,
    fingerprint: str,
    execution: ExecutionConfig = ExecutionConfig(),  # noqa: B008
    run: TrackedRun | None = None,
) -> ArtifactRef:
    """One stage of a pipeline that runs elsewhere. Started by that pipeline, not by hand."""
    chosen, task, model = PLACEABLE[name]
    parsed = model.model_validate(config)
    found = chosen.fingerprint(parsed, inputs, seed=seed)
    if found != fingerprint:
        raise ConfigError(
            f"stage {name}: the pipeline asks for {fingerprint[:12]} and the same config is {found[:12]} here: install "
            "the same versions of ifrl and of your constraint packages on both pools"
        )
    store = tasks.open_store()
    with while_parent_runs(), sigterm_asks_children_to_stop(), slot():
        if isinstance(parsed, RolloutsConfig) and store.find(name, fingerprint) is None:
            map_shards(parsed, inputs, store, execution, seed=seed, fingerprint=fingerprint, run=run)
        return task(parsed, inputs, seed=seed, fingerprint=fingerprint, run=run)


def run_placed(
    deployment: str,
    name: str,
    config: BaseModel,
    inputs: dict[str, ArtifactRef],
    *,
    seed: int,
    fingerprint: str,
    execution: ExecutionConfig,
    run: TrackedRun | None,
) -> None:
    """Run a stage as `deployment` and wait for it, linked as a subflow. Its artifact is in the store afterwards.

    Raises:
        PlacementError: when that run does not complete, with its own words.
    """
    parameters = {
        "name": name,
        "config": config.model_dump(mode="json"),
        "inputs": {key: ref.model_dump(mode="json") for key, ref in inputs.items()},
        "seed": seed,
        "fingerprint": fingerprint,
        "execution": execution.model_dump(mode="json"),
        "run": run.model_dump(mode="json") if run else None,
    }
    ended = run_child(deployment, parameters)
    if not ended.is_completed():
        raise PlacementError(f"stage {name} as deployment {deployment} ended as {ended.name}: {ended.message}")
