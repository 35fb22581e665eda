"""What the policy stage of a recipe takes, before anything is started: processes, batches, memory, tokens, hours.

The formulas and their sources are in plan_memory.py; hours follow from an assumed throughput, which the recipe states.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ifrl_core.config import PipelineConfig, PolicyConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.shapes import ModelShape, model_shape
from ifrl_core.plan.memory import (
    GIB,
    Batches,
    Memory,
    estimate,
    kv_bytes,
    share_out,
    tensor_parallel,
    trained_parameters,
)


@dataclass(frozen=True)
class Time:
    """What the whole stage makes, and the hours at the recipe's assumed throughput."""

    steps: int
    prompts: int
    rollouts: int
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


def make_plan(config: PipelineConfig) -> Plan:
    """
    Raises:
        ConfigError: when the recipe's arithmetic is impossible, naming what to change.
        ModelError: when the model's sizes are not at hand.
    """
    shape, policy = model_shape(config.model), config.policy
    batches = share_out(policy)
    memory = estimate(config, shape, batches)
    faults = [*_faults(policy, shape, batches), *_memory_faults(config, memory)]
    if faults:
        raise ConfigError(f"recipe {config.name} cannot work:\n" + "\n".join(f"  {fault}" for fault in faults))
    return Plan(
        config.name,
        config.model,
        shape.parameters,
        trained_parameters(policy, shape),
        policy.generation,
        batches,
        memory,
        _time(policy, batches),
    )


def _time(policy: PolicyConfig, batches: Batches) -> Time:
    assumed = policy.launch.assumed
    answer_tokens = assumed.answer_tokens or max(1, policy.max_tokens // 2)
    tokens = policy.blocks * batches.rollouts * answer_tokens
    speed = assumed.tokens_per_second * batches.processes
    return Time(
        steps=policy.max_steps,
        prompts=policy.blocks * batches.prompts,
        rollouts=policy.blocks * batches.rollouts,
        answer_tokens=answer_tokens,
        tokens=tokens,
        tokens_per_second=speed,
        hours=round(tokens / speed / 3600, 2),
    )


def _faults(policy: PolicyConfig, shape: ModelShape, batches: Batches) -> list[str]:
    """Impossible lengths and shares; batches that do not divide were refused when the recipe was read."""
    faults = []
    longest = policy.max_prompt_tokens + policy.max_tokens
    if longest > shape.positions:
        faults.append(
            f"policy.max_prompt_tokens + policy.max_tokens = {longest} is more than the model's {shape.positions} "
            f"positions; use a max_tokens of at most {shape.positions - policy.max_prompt_tokens}"
        )
    parallel = tensor_parallel(policy)
    if batches.processes % parallel or shape.heads % parallel:
        faults.append(
            f"policy.grpo.vllm_tensor_parallel_size {parallel} does not divide {batches.processes} processes and "
            f"{shape.heads} attention heads; use a number that divides both"
        )
    if policy.trained_layers is not None and policy.trained_layers > shape.layers:
        faults.append(f"policy.trained_layers {policy.trained_layers}: the model has {shape.layers} layers")
    needed = longest * shape.kv_bytes_per_token / parallel
    if policy.generation == "vllm_colocate":
        share = policy.launch.vllm_gpu_memory_utilization
        reserve = share * policy.launch.assumed.device_memory_gib * GIB
        if kv_bytes(policy, shape, batches, reserve) < needed:
            faults.append(
                f"policy.launch.vllm_gpu_memory_utilization {share} is {reserve / GIB:.0f} GiB, and vLLM's weights "
                f"({2 * shape.parameters / parallel / GIB:.1f} GiB) leave no room for one answer of {longest} tokens "
                f"({needed / GIB:.1f} GiB); raise it, or policy.grpo.vllm_tensor_parallel_size"
            )
    return faults


def _memory_faults(config: PipelineConfig, memory: Memory) -> list[str]:
    faults = []
    if memory.reward_model_training > memory.device:
        faults.append(
            f"the reward-model stage takes about {memory.reward_model_training:.1f} GiB on one device, which has "
            f"{memory.device:.1f}: fewer reward_model.layers, or a smaller reward_model.micro_batch"
        )
    if memory.peak > memory.device:
        faults.append(_policy_fault(config, memory))
    return faults


def _policy_fault(config: PipelineConfig, memory: Memory) -> str:
    phase = "training" if memory.training >= memory.generating else "generating"
    fixes = "; ".join(text for text, helps in _FIXES if helps(config, memory))
    return (
        f"{phase} takes about {memory.peak:.1f} GiB a device, which has {memory.device:.1f} "
        f"(policy.launch.assumed.device_memory_gib): {fixes}"
    )


def _sleeps(config: PipelineConfig) -> bool:
    """Whether vLLM gives its memory back while the weights are trained."""
    return bool(config.policy.grpo.get("vllm_enable_sleep_mode"))


_FIXES: tuple[tuple[str, Callable[[PipelineConfig, Memory], bool]], ...] = (
    ("policy.launch.strategy fsdp2 or zero3, on several GPUs", lambda c, m: not c.policy.launch.sharded),
    ("more processes", lambda c, m: c.policy.launch.sharded),
    ("policy.gradient_checkpointing true", lambda c, m: not c.policy.gradient_checkpointing and m.activations > 1),
    ("a smaller policy.micro_batch", lambda c, m: c.policy.micro_batch > 1 and m.activations > 1),
    ("policy.generation vllm_colocate or vllm_server", lambda c, m: c.policy.generation == "transformers"),
    (
        "a smaller policy.launch.vllm_gpu_memory_utilization",
        lambda c, m: m.vllm > 0 and not (_sleeps(c) and m.training > m.generating),
    ),
    ("policy.grpo.vllm_enable_sleep_mode true", lambda c, m: m.vllm > 0 and not _sleeps(c)),
    ("fewer reward_model.layers", lambda c, m: m.reward_model > m.device / 10),
    ("policy.lora", lambda c, m: c.policy.lora is None),
    ("policy.launch.offload true", lambda c, m: c.policy.launch.sharded and not c.policy.launch.offload),
)


def plan_lines(plan: Plan) -> list[str]:
    """The plan for people, a line a subject."""
    b, m, t = plan.batches, plan.memory, plan.time
    left_open = "" if b.processes_known else " (the recipe leaves it to the machine: one a GPU)"
    parts = {
        "weights": m.weights,
        "gradients": m.gradients,
        "Adam": m.optimizer,
        "reference": m.reference,
        "reward model": m.reward_model,
        "gathered": m.gathered,
        "activations": m.activations,
        "vLLM": m.vllm,
        "KV cache": m.kv_cache,
    }
    return [
        f"recipe      {plan.recipe}: {plan.model}",
        f"model       {plan.parameters / 1e9:.3g}B parameters, {plan.trained / 1e9:.3g}B of them trained",
        f"processes   {b.processes} on {b.machines} machine(s), {b.strategy}; answers by {plan.generation}{left_open}",
        f"step        {b.prompts} prompts x {b.generations} generations = {b.rollouts} rollouts",
        f"            = micro-batch {b.micro_batch} x accumulation {b.accumulation} x {b.processes} process(es)",
        f"device      {m.peak:.1f} of {m.device:.1f} GiB: training {m.training:.1f}, generating {m.generating:.1f} (rough)",
        "            " + ", ".join(f"{name} {size:.1f}" for name, size in parts.items() if size >= 0.05),
        f"            the reward-model stage before it: {m.reward_model_training:.1f} GiB on one device",
        f"machine     {m.host_loading:.0f} GiB of memory while loading; {2 * m.checkpoint:.0f} GiB of disk (two checkpoints)",
        f"stage       {t.steps} steps, {t.prompts:,} prompts, {t.rollouts:,} rollouts, {t.tokens:,} answer tokens",
        f"time        {t.hours:g} hours",
        f"            assuming {t.answer_tokens} tokens an answer and {t.tokens_per_second:,.0f} tokens/s in all "
        "(policy.launch.assumed; the metric tokens_per_second of a run tells)",
    ]
