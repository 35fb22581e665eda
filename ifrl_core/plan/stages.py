"""What every stage that uses a model takes of one device, what it generates and for how long: arithmetic alone.

Rough as in memory.py, whose sources hold here too. Numbers of answers are the most that the recipe allows: there may be fewer
seeds. Time goes by `policy.launch.assumed`, whose throughput is of a whole training step, so that generating takes less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ifrl_core.config import GenerationConfig, PipelineConfig
from ifrl_core.errors import ModelError
from ifrl_core.models.shapes import ModelShape, model_shape
from ifrl_core.plan.batches import batches_of
from ifrl_core.plan.memory import Memory, estimate
from ifrl_core.plan.reward_model import processes_of, reward_model_bytes, work_of
from ifrl_core.plan.sizes import GIB, OVERHEAD


@dataclass(frozen=True)
class Generation:
    """What a stage generates: at most `answers` of at most `max_tokens`, by the engine of the recipe's section `key`."""

    key: str
    config: GenerationConfig
    max_tokens: int
    answers: int


@dataclass(frozen=True)
class AskedBenchmark:
    """What a benchmark asks of a model, and of the policy at each point of the curve; None: its rows are not at hand.

    `own`: it is of `evaluation.benchmarks`, so that its answers are in no other line of the plan.
    """

    label: str
    answers: int | None
    max_tokens: int
    measured: int | None
    own: bool


@dataclass(frozen=True)
class StagePlan:
    """GiB of one device and hours; None where they are not known, as of a server's machine."""

    stage: str
    engine: str  # "": it generates nothing by itself
    devices: int  # that one copy of the model lies on; of a training, all
    memory: float | None
    at_once: int | None  # longest answers that the KV cache holds at once; None: not known
    longest: int | None  # tokens of the longest prompt and answer that it is reckoned with
    answers: int
    tokens: int
    hours: float | None


def generations(
    config: PipelineConfig, benchmarks: Sequence[AskedBenchmark] = ()
) -> Iterator[tuple[str, Generation, str]]:
    """Label, generation and model URI of each stage that generates; evaluation and answers stand for both models."""
    instructions, evaluation = config.instructions, config.evaluation
    seeds, rungs = config.seeds.train + config.seeds.held_out, instructions.max_constraints + 1
    if instructions.sampling == "corridor" or config.ladder.order == "easy_to_hard":
        corridor = instructions.corridor
        rounds = corridor.rounds if instructions.sampling == "corridor" else 1
        count = rounds * min(corridor.seeds, config.seeds.train) * instructions.max_constraints
        yield "pass-rates", Generation("instructions.corridor", corridor, corridor.max_tokens, count), config.model
    if instructions.asks_model:
        writer = instructions.model_writer
        label, written = "instructions", seeds
        if not instructions.model_writes:  # the instructor does, for the train seeds of every round
            label, written = "instructor-instructions", config.seeds.train * config.rounds
        replies = Generation("instructions.model_writer", writer, writer.max_tokens, written * writer.attempts)
        yield label, replies, writer.model or config.model
    rollouts = config.rollouts
    answers = config.seeds.train * rungs * rollouts.samples
    yield "rollouts", Generation("rollouts", rollouts, rollouts.max_tokens, answers), config.model
    if rollouts.own_history:  # one turn of each rung, held-out ones by the policy too; of longer dialogs it is more
        count = (seeds + config.seeds.held_out) * rungs
        turns = Generation("rollouts", rollouts, rollouts.max_tokens, count)
        yield "histories", turns, config.model
    held_out = [config.seeds.held_out * evaluation.samples] * sum(level < rungs for level in evaluation.levels)
    asked = [(sum(held_out), evaluation.max_tokens)]
    if evaluation.ifeval_path is not None:
        asked.append((evaluation.ifeval_prompts, evaluation.ifeval_max_tokens))
    if evaluation.general_prompts:
        asked.append((evaluation.general_prompts, evaluation.general_max_tokens))
    longest = max(tokens for _, tokens in asked)
    yield "evaluation", Generation("evaluation", evaluation, longest, 2 * sum(n for n, _ in asked)), config.model
    for benchmark in benchmarks:
        if benchmark.own and benchmark.answers is not None:
            of_both = Generation("evaluation", evaluation, benchmark.max_tokens, 2 * benchmark.answers)
            yield f"answers.{benchmark.label}", of_both, config.model


def stage_plans(
    config: PipelineConfig, shape: ModelShape, memory: Memory, benchmarks: Sequence[AskedBenchmark] = ()
) -> tuple[list[StagePlan], list[str]]:
    """A plan for each stage beside the policy's own, and what of them cannot work."""
    plans = [_instructor_plan(config, shape)] if config.instructions.writer == "instructor" else []
    if config.policy.warm_start is not None:
        plans.append(_warm_start_plan(config, shape))
    faults: list[str] = []
    for label, generation, model in generations(config, benchmarks):
        own = shape if model == config.model else _shape_at_hand(model)
        fit = _fit(generation, own, config) if own else _Fit()
        if label == "evaluation":  # its answers are scored by the reward model, when the engine is gone
            fit = replace(fit, memory=max(fit.memory or 0, reward_model_bytes(config, shape) + OVERHEAD))
            plans.append(_reward_model_plan(config, memory))
        plans.append(_plan(label, generation, fit, config))
        faults += fit.faults
    return plans, list(dict.fromkeys(faults))  # benchmarks are asked by the engine of evaluation


def _reward_model_plan(config: PipelineConfig, memory: Memory) -> StagePlan:
    work, devices = work_of(config), processes_of(config.reward_model)
    size = memory.reward_model_training
    return StagePlan("reward-model", "", devices, size, None, None, work.responses, work.tokens, work.hours)


def _warm_start_plan(config: PipelineConfig, shape: ModelShape) -> StagePlan:
    """One process; its memory is no more than a step's of GRPO on one answer."""
    start, assumed = config.policy.warm_start, config.policy.launch.assumed
    assert start is not None
    alone = config.policy.model_copy(update={"prompts_per_step": 1, "generations": 1, "micro_batch": 1})
    size = estimate(config.model_copy(update={"policy": alone}), shape, batches_of(alone)).peak
    answers = start.rows * start.epochs
    tokens = answers * min(assumed.answer_tokens or max(1, config.policy.max_tokens // 2), config.policy.max_tokens)
    hours = round(tokens / assumed.tokens_per_second / 3600, 2)
    return StagePlan("warm-start", "", 1, size, None, None, answers, tokens, hours)


def _instructor_plan(config: PipelineConfig, shape: ModelShape) -> StagePlan:
    """Of all rounds: trained as the policy is, on longer answers and without a reward model."""
    instructions, assumed = config.instructions, config.policy.launch.assumed
    longest = instructions.model_writer.max_tokens
    policy = config.policy.model_copy(update={"max_tokens": longest})
    writing = config.model_copy(
        update={"policy": policy, "instructions": instructions.model_copy(update={"hard_share": 1.0})}
    )
    batches = batches_of(policy)
    size = estimate(writing, shape, batches).peak
    answers = config.rounds * instructions.instructor.steps * batches.rollouts
    tokens = answers * min(assumed.answer_tokens or max(1, longest // 2), longest)
    hours = round(tokens / (assumed.tokens_per_second * batches.processes) / 3600, 2)
    return StagePlan("instructor", "", batches.processes, size, None, None, answers, tokens, hours)


@dataclass(frozen=True)
class _Fit:
    """Bytes of one device, and what does not fit; nothing of a model whose sizes are not at hand."""

    memory: float | None = None
    at_once: int | None = None
    longest: int | None = None
    faults: tuple[str, ...] = ()


def _shape_at_hand(model: str) -> ModelShape | None:
    try:
        return model_shape(model)
    except ModelError:
        return None


def _plan(label: str, generation: Generation, fit: _Fit, config: PipelineConfig) -> StagePlan:
    chosen, assumed = generation.config, config.policy.launch.assumed
    devices = chosen.vllm.tensor_parallel_size if chosen.engine == "vllm" else 1
    answer = min(assumed.answer_tokens or max(1, generation.max_tokens // 2), generation.max_tokens)
    tokens = generation.answers * answer
    return StagePlan(
        label,
        chosen.engine,
        devices,
        None if fit.memory is None else round(fit.memory / GIB, 2),
        fit.at_once,
        fit.longest,
        generation.answers,
        tokens,
        None if chosen.engine == "server" else round(tokens / (assumed.tokens_per_second * devices) / 3600, 2),
    )


def _fit(generation: Generation, shape: ModelShape, config: PipelineConfig) -> _Fit:
    match generation.config.engine:
        case "vllm":
            return _fit_on_vllm(generation, shape, config.policy.launch.assumed.device_memory_gib * GIB)
        case "transformers":
            return _fit_in_process(generation, shape, config)
        case "server":
            return _Fit()


def _fit_on_vllm(generation: Generation, shape: ModelShape, device: float) -> _Fit:
    """vLLM takes its share of a device whatever it does; it does not start unless the KV cache holds one longest answer."""
    key, lies, width = generation.key, generation.config.vllm, _width(generation.config)
    parallel, longest = lies.tensor_parallel_size, lies.max_model_len or shape.positions
    reserve, weights = lies.gpu_memory_utilization * device, width * shape.parameters / parallel
    room = reserve - weights - OVERHEAD
    needed = longest * shape.kv_bytes_per_token * width / 2 / parallel
    faults = []
    if shape.heads % parallel:
        faults.append(
            f"{key}.vllm.tensor_parallel_size {parallel} does not divide the model's {shape.heads} attention heads: use one "
            f"of {[n for n in range(1, min(shape.heads, 8) + 1) if shape.heads % n == 0]}"
        )
    if longest > shape.positions:
        faults.append(
            f"{key}.vllm.max_model_len {longest} is more than the model's {shape.positions} positions: leave it out, or use "
            "at most that"
        )
    if generation.max_tokens >= longest:
        faults.append(
            f"{key}: an answer of {generation.max_tokens} tokens leaves no room for a prompt in {longest} tokens "
            "(vllm.max_model_len, or the model's positions): use a smaller max_tokens"
        )
    if room < needed:
        faults.append(
            f"{key}.vllm takes {reserve / GIB:.1f} GiB of a device (gpu_memory_utilization {lies.gpu_memory_utilization}), "
            f"and its weights ({weights / GIB:.1f} GiB) leave no room for one answer of {longest} tokens "
            f"({needed / GIB:.1f} GiB); use a smaller vllm.max_model_len, or more vllm.tensor_parallel_size"
        )
    return _Fit(reserve, max(0, int(room / needed)), longest, tuple(faults))


def _fit_in_process(generation: Generation, shape: ModelShape, config: PipelineConfig) -> _Fit:
    """Weights, and the KV cache of a batch of longest prompts and answers."""
    chosen, width = generation.config, _width(generation.config)
    device = config.policy.launch.assumed.device_memory_gib * GIB
    longest = min(config.policy.max_prompt_tokens + generation.max_tokens, shape.positions)
    one = longest * shape.kv_bytes_per_token * width / 2
    room = device - width * shape.parameters - OVERHEAD
    memory = device - room + chosen.batch_size * one
    at_once = max(0, int(room / one))
    fault = (
        f"{generation.key} takes about {memory / GIB:.1f} GiB of a device, which has {device / GIB:.1f}: use a batch_size of "
        f"at most {at_once}, or engine vllm"
        if at_once
        else f"{generation.key}: the model does not fit into a device of {device / GIB:.1f} GiB with one answer of {longest} "
        "tokens: use engine vllm with vllm.tensor_parallel_size, or engine server"
    )
    return _Fit(memory, at_once, longest, (fault,) if memory > device else ())


def _width(config: GenerationConfig) -> int:
    """Bytes of a number."""
    return 4 if config.dtype == "float32" else 2
