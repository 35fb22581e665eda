"""A profile of a recipe: the stages that it takes, out of the store or made, with the identities of a run of the recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.instructions.pass_rates import measure_pass_rates
from ifrl_core.instructions.stage import import_writer, make_instructions, make_prompts
from ifrl_core.models.reasoning import reasoning_of
from ifrl_core.models.stage import import_model
from ifrl_core.policy.profile.stage import ProfilePlan, measure_profile
from ifrl_core.rollouts.histories import make_histories
from ifrl_core.seeds.stage import make_seeds
from ifrl_core.stages.progress import Progress
from ifrl_core.stages.stage import Inputs, Stage
from ifrl_core.text.reasoning import THINK, Reasoning

BEFORE = (
    make_seeds,
    import_model,
    measure_pass_rates,
    import_writer,
    make_instructions,
    make_prompts,
    make_histories,
)


@dataclass(frozen=True)
class Cost:
    """What a profile generates at most; `seconds` at the throughput that the recipe assumes of a device."""

    answers: int
    tokens: int
    tokens_per_second: float
    seconds: float


def cost_of(plan: ProfilePlan, recipe: PipelineConfig) -> Cost:
    tokens, speed = plan.answers * plan.max_tokens, recipe.policy.launch.assumed.tokens_per_second
    return Cost(plan.answers, tokens, speed, round(tokens / speed, 1))


def found_profile(recipe: PipelineConfig, plan: ProfilePlan, store: ArtifactStore) -> ArtifactRef | None:
    """The profile that the store has; None when it, or what it is made of, is not there.

    Raises:
        ConfigError, InputError, ModelError: when the recipe names what is not there.
    """

    def found(stage: Stage, config: BaseModel, inputs: Inputs, seed: int, reasoning: Reasoning) -> ArtifactRef | None:
        return store.find(stage.name, stage.fingerprint(config, inputs, seed=seed, reasoning=reasoning))

    return _through(recipe, plan, store, found)


def make_profile(
    recipe: PipelineConfig, plan: ProfilePlan, store: ArtifactStore, progress: Callable[[Stage], Progress]
) -> ArtifactRef:
    """The profile, and whatever comes before it, made where the store has it not; `progress` of each stage.

    Raises:
        As the stages.
    """

    def made(stage: Stage, config: BaseModel, inputs: Inputs, seed: int, reasoning: Reasoning) -> ArtifactRef:
        return stage(config, inputs, store, progress(stage), seed=seed, reasoning=reasoning)

    ref = _through(recipe, plan, store, made)
    assert ref is not None
    return ref


def _through(
    recipe: PipelineConfig,
    plan: ProfilePlan,
    store: ArtifactStore,
    obtain: Callable[[Stage, BaseModel, Inputs, int, Reasoning], ArtifactRef | None],
) -> ArtifactRef | None:
    """The profile, each artifact obtained in turn; None as soon as one is not."""
    chosen = [(stage, config) for stage in BEFORE for config in stage.look(recipe).values()]
    refs: dict[str, ArtifactRef] = {}
    ref: ArtifactRef | None = None
    for stage, config in [*chosen, (measure_profile, plan)]:
        inputs = stage.inputs_of(recipe, refs | _in_place(stage, refs))
        reads = stage.reads_answers and "model" in inputs
        reasoning = reasoning_of(recipe, inputs["model"], store) if reads else THINK
        ref = obtain(stage, config, inputs, recipe.seed if stage.seeded else 0, reasoning)
        if ref is None:
            return None
        refs[stage.output] = ref
    return ref


def _in_place(stage: Stage, refs: Inputs) -> dict[str, ArtifactRef]:
    """Inputs that a stage takes in the place of those of that name, as a run has it."""
    if stage is make_instructions:
        return {"model": refs.get(import_writer.output, refs["model"])}
    if stage is measure_profile:
        return {"prompts": refs.get(make_histories.output, refs["prompts"])}
    return {}
