"""What a recipe takes, before anything is started: processes, batches, memory, tokens and hours of the policy stage, and what
the other stages take of a device.

The formulas and their sources are in memory.py; hours follow from an assumed throughput, which the recipe states.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ifrl_core.config import MEASURED_AT_MOST, PipelineConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.shapes import model_shape
from ifrl_core.plan.batches import Batches, batches_of
from ifrl_core.plan.faults import faults_of
from ifrl_core.plan.memory import Memory, estimate, trained_parameters
from ifrl_core.plan.stages import AskedBenchmark, StagePlan, stage_plans


@dataclass(frozen=True)
class Time:
    """What the whole stage makes, and the hours at the recipe's assumed throughput.

    `answers`: of a rollout, in the mean; more than 1 where it is a dialog. `measured`: answers for the curve, at most: to the
    run's own instructions, and to benchmarks whose rows are at hand.
    """

    steps: int
    prompts: int
    rollouts: int
    answers: float
    measured: int
    answer_tokens: int
    tokens: int
    tokens_per_second: float  # all devices
    hours: float


@dataclass(frozen=True)
class Plan:
    recipe: str
    model: str
    parameters: int
    trained: int
    generation: str
    batches: Batches
    memory: Memory
    time: Time
    stages: tuple[StagePlan, ...]  # the others that use a model


def make_plan(config: PipelineConfig, benchmarks: Sequence[AskedBenchmark] = (), turns: Sequence[int] = (1,)) -> Plan:
    """`benchmarks`: those of the recipe, which only their files can count (evaluation/suite/to_plan.py). `turns`: how many
    answers a rollout has, by seed; memory goes by the most, tokens and hours by their mean.

    Raises:
        ConfigError: when the recipe's arithmetic is impossible, naming what to change.
        ModelError: when the model's sizes are not at hand.
    """
    shape, policy = model_shape(config.model), config.policy
    batches = batches_of(policy)
    memory = estimate(_with_dialogs(config, max(turns)), shape, batches)
    stages, stage_faults = stage_plans(config, shape, memory, benchmarks)
    if faults := [*faults_of(config, shape, batches, memory), *stage_faults]:
        raise ConfigError(f"recipe {config.name} cannot work:\n" + "\n".join(f"  {fault}" for fault in faults))
    return Plan(
        config.name,
        config.model,
        shape.parameters,
        trained_parameters(policy, shape),
        policy.generation,
        batches,
        memory,
        _time(config, batches, sum(benchmark.measured or 0 for benchmark in benchmarks), fmean(turns)),
        tuple(stages),
    )


def _with_dialogs(config: PipelineConfig, turns: int) -> PipelineConfig:
    """A rollout is as long as its answers together; what stands between them is in the prompt's longest length."""
    policy = config.policy.model_copy(update={"max_tokens": config.policy.max_tokens * turns})
    return config.model_copy(update={"policy": policy})


def _time(config: PipelineConfig, batches: Batches, of_benchmarks: int, answers: float) -> Time:
    policy, assumed = config.policy, config.policy.launch.assumed
    answer_tokens = assumed.answer_tokens or max(1, policy.max_tokens // 2)
    rollouts, measured = policy.blocks * batches.rollouts, _measured(config, of_benchmarks)
    tokens = round(rollouts * answers + measured) * answer_tokens
    speed = assumed.tokens_per_second * batches.processes
    return Time(
        steps=policy.max_steps,
        prompts=policy.blocks * batches.prompts,
        rollouts=rollouts,
        answers=round(answers, 2),
        measured=measured,
        answer_tokens=answer_tokens,
        tokens=tokens,
        tokens_per_second=speed,
        hours=round(tokens / speed / 3600, 2),
    )


def _measured(config: PipelineConfig, of_benchmarks: int) -> int:
    """Answers to the run's own instructions and `of_benchmarks`, before the first step, at every N-th and at the last one."""
    policy, seeds = config.policy, config.seeds
    if policy.evaluate_every is None:
        return 0
    instructions = seeds.held_out if policy.keep == "last" else round(seeds.train * config.labels.validation_share)
    return (1 + math.ceil(policy.max_steps / policy.evaluate_every)) * (
        min(instructions, MEASURED_AT_MOST) + of_benchmarks
    )
