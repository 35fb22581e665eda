"""A stage on another work pool: the pipeline waits on a CPU pool while a deployment `stage/...` has the GPU.

Both see the same storage root; only references travel. Where the deployment names a limit of GPU slots (`IFRL_SLOTS`, a
variable of its environment), the stage holds one of them while it works.
"""

from typing import Any

from prefect import flow

from flows.execution.alive import outlives_outages
from flows.execution.call import Call
from flows.execution.child_runs import run_child, while_parent_runs
from flows.execution.here import make_here
from flows.execution.slots import slot
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import ExecutionConfig, PlaceableStage
from ifrl_core.errors import ConfigError, PlacementError
from ifrl_core.stages import registry
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.tracking.tracker import TrackedRun
from ifrl_core.training.child import sigterm_asks_children_to_stop
from tasks.stages import open_store


@flow(name="stage", log_prints=False, result_serializer="json", persist_result=True)
def stage(
    name: PlaceableStage,
    config: dict[str, Any],
    inputs: dict[str, ArtifactRef],
    seed: int,
    fingerprint: str,
    execution: ExecutionConfig = ExecutionConfig(),  # noqa: B008
    run: TrackedRun | None = None,
    reasoning: Reasoning = THINK,
) -> ArtifactRef:
    """One stage of a pipeline that runs elsewhere. Started by that pipeline, not by hand."""
    chosen = registry.find(name)
    call = Call(chosen, chosen.config_type.model_validate(config), inputs, seed, run, reasoning)
    if call.fingerprint != fingerprint:
        raise ConfigError(
            f"stage {name}: the pipeline asks for {fingerprint[:12]} and the same config is {call.fingerprint[:12]} here: "
            "install the same versions of ifrl and of your constraint packages on both pools"
        )
    store = open_store()
    with outlives_outages(), while_parent_runs(), sigterm_asks_children_to_stop(), slot():
        return make_here(call, store, execution, name)


def run_placed(deployment: str, call: Call, execution: ExecutionConfig) -> None:
    """Run a stage as `deployment` and wait for it, linked as a subflow. Its artifact is in the store afterwards.

    Raises:
        PlacementError: when that run does not complete, with its own words.
    """
    parameters = {
        "name": call.stage.name,
        "config": call.config.model_dump(mode="json"),
        "inputs": {name: ref.model_dump(mode="json") for name, ref in call.inputs.items()},
        "seed": call.seed,
        "fingerprint": call.fingerprint,
        "execution": execution.model_dump(mode="json"),
        "run": call.run.model_dump(mode="json") if call.run else None,
        "reasoning": call.reasoning.model_dump(mode="json"),
    }
    ended = run_child(deployment, parameters)
    if not ended.is_completed():
        raise PlacementError(
            f"stage {call.stage.name} as deployment {deployment} ended as {ended.name}: {ended.message}"
        )
