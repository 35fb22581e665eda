"""What of a recipe cannot be together although each section is right by itself, each with what to change."""

from collections.abc import Callable, Iterator

from ifrl_core.config.modes import GENERATING, Recipe, changed, value_at

Rule = Callable[[Recipe], Iterator[str]]


def contradiction_faults(config: Recipe) -> list[str]:
    """One line for each."""
    return [fault for rule in _RULES for fault in rule(config)]


def _corridor(config: Recipe) -> Iterator[str]:
    writer, sampling = config.instructions.writer, config.instructions.sampling
    if sampling != "corridor":
        return
    if writer != "catalog":
        yield (
            f"instructions.sampling corridor moves the weights that the catalog draws types by, and instructions.writer is "
            f"{writer}: use writer catalog, or sampling uniform"
        )
    if config.ladder.order != "as_written":
        yield (
            f"ladder.order {config.ladder.order} would move the constraints that instructions.sampling corridor draws "
            "for each level; use as_written"
        )


def _evolving(config: Recipe) -> Iterator[str]:
    writer = config.instructions.writer
    if config.instructions.evolves and config.rollouts.own_history:
        yield (
            f"instructions.writer {writer} trains on other constraints than those that rollouts.own_history makes histories "
            "with: use writer catalog, or own_history false"
        )
    steps, updates = config.instructions.instructor.steps, config.policy.updates_per_block
    if writer == "instructor" and steps % updates:
        yield f"instructions.instructor.steps {steps}: policy.grpo.num_iterations {updates} does not divide it"


def _levels(config: Recipe) -> Iterator[str]:
    """Levels that no ladder has. The default of evaluation means all that there are."""
    most = config.instructions.max_constraints
    stages = config.policy.curriculum.levels
    if any(not 1 <= level <= most for of_stage in stages for level in of_stage):
        fitting = [kept for of_stage in stages if (kept := [level for level in of_stage if 1 <= level <= most])]
        yield (
            f"policy.curriculum.levels {[list(of_stage) for of_stage in stages]} asks for levels that no ladder has, as "
            f"instructions have 1 to {most} constraints (instructions.max_constraints): use {fitting or [[1]]}, or more"
        )
    asked = config.evaluation.levels
    if not any(1 <= level <= most for level in asked):
        yield f"evaluation.levels {list(asked)} asks for no constraint: use some of {list(range(1, most + 1))}"
    elif any(not 0 <= level <= most for level in asked) and any(changed(config, "evaluation.levels")):
        yield (
            f"evaluation.levels {list(asked)} asks for levels that no ladder has, as instructions have 1 to {most} "
            f"constraints (instructions.max_constraints): use {[level for level in asked if 0 <= level <= most]}, or more"
        )


def _rounds(config: Recipe) -> Iterator[str]:
    if config.rounds > 1 and config.policy.launch.reward_model == "service":
        yield (
            f"rounds {config.rounds} trains a reward model in each round, and policy.launch.reward_model service serves one: "
            "use local, or rounds 1"
        )


def _workers(config: Recipe) -> Iterator[str]:
    execution, rollouts = config.execution, config.rollouts
    if rollouts.engine != "vllm":
        return
    if execution.workers > 1 and execution.runner == "threads":
        yield (
            f"execution.workers {execution.workers} with runner threads would ask one vLLM in one process from several "
            "threads: use workers 1 (vLLM answers rollouts.batch_size requests at once as it is), or engine server"
        )
    if execution.runner != "threads" and rollouts.vllm.tensor_parallel_size > 1:
        yield (
            f"execution.runner {execution.runner} gives each worker one GPU, and rollouts.vllm.tensor_parallel_size is "
            f"{rollouts.vllm.tensor_parallel_size}: use runner threads with workers 1, or tensor_parallel_size 1"
        )


def _contexts(config: Recipe) -> Iterator[str]:
    """A context of vLLM that an answer alone fills."""
    evaluation = config.evaluation
    longest = [evaluation.max_tokens]
    longest += [evaluation.ifeval_max_tokens] if evaluation.ifeval_path is not None else []
    longest += [evaluation.general_max_tokens] if evaluation.general_prompts else []
    for key in GENERATING:
        section = value_at(config, key)
        if section is None:
            continue
        answer, context = max(longest) if key == "evaluation" else section.max_tokens, section.vllm.max_model_len
        if context is not None and answer >= context:
            yield (
                f"{key}.vllm.max_model_len {context} leaves no room for a prompt beside an answer of {answer} tokens "
                f"({key}.max_tokens): use more, or leave it out"
            )


def _grpo(config: Recipe) -> Iterator[str]:
    policy = config.policy
    names = [name for name in policy.grpo if name.startswith("vllm_")]
    if names and policy.generation == "transformers":
        yield (
            f"policy.grpo.{names[0]} has no effect with policy.generation transformers: choose vllm_colocate or vllm_server, "
            "or leave it out"
        )


def _names(config: Recipe) -> Iterator[str]:
    names = config.registry
    if names.policy_name == names.reward_model_name:
        yield (
            f"registry.policy_name and registry.reward_model_name are both {names.policy_name}, and each needs the alias "
            f"{names.alias} for itself: use two names"
        )


def _reasoning(config: Recipe) -> Iterator[str]:
    chosen = config.reasoning.format
    if config.policy.reward.require_reasoning and chosen in ("optional", "none"):
        yield (
            f"policy.reward.require_reasoning says that every response reasons, and reasoning.format {chosen} that it need "
            "not: leave require_reasoning out, or set reasoning.format always"
        )


def _soft(config: Recipe) -> Iterator[str]:
    reward = config.policy.reward
    if reward.soft == "likelihood" and reward.aggregation == "reliability":
        yield (
            "policy.reward.aggregation reliability weighs soft constraints by what the reward model is worth, and "
            "policy.reward.soft likelihood does not ask it: use another aggregation, or soft reward_model"
        )


_RULES: tuple[Rule, ...] = (
    _corridor,
    _evolving,
    _levels,
    _rounds,
    _workers,
    _contexts,
    _grpo,
    _names,
    _reasoning,
    _soft,
)
