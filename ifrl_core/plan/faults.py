"""What of a recipe cannot work, each with what to change."""

from collections.abc import Callable

from ifrl_core.config import PipelineConfig, PolicyConfig, RewardModelConfig
from ifrl_core.models.lengths import length_faults
from ifrl_core.models.shapes import ModelShape
from ifrl_core.plan.batches import Batches
from ifrl_core.plan.memory import Memory, kv_bytes, tensor_parallel, vllm_sleeps
from ifrl_core.plan.sizes import GIB

# What may help when the policy stage takes more than a device has, and whether it would here.
_FIXES: tuple[tuple[str, Callable[[PipelineConfig, Memory], bool]], ...] = (
    ("policy.launch.strategy fsdp2 or zero3, on several GPUs", lambda c, m: not c.policy.launch.sharded),
    ("more processes", lambda c, m: c.policy.launch.sharded),
    ("policy.gradient_checkpointing true", lambda c, m: not c.policy.gradient_checkpointing and m.activations > 1),
    ("a smaller policy.micro_batch", lambda c, m: c.policy.micro_batch > 1 and m.activations > 1),
    ("policy.generation vllm_colocate or vllm_server", lambda c, m: c.policy.generation == "transformers"),
    (
        "a smaller policy.launch.vllm_gpu_memory_utilization",
        lambda c, m: m.vllm > 0 and not (vllm_sleeps(c.policy) and m.training > m.generating),
    ),
    ("policy.grpo.vllm_enable_sleep_mode true", lambda c, m: m.vllm > 0 and not vllm_sleeps(c.policy)),
    ("policy.launch.reward_model service", lambda c, m: m.reward_model > m.device / 10),
    ("fewer reward_model.layers", lambda c, m: m.reward_model > m.device / 10),
    ("policy.lora", lambda c, m: c.policy.lora is None),
    ("policy.launch.offload true", lambda c, m: c.policy.launch.sharded and not c.policy.launch.offload),
)


def faults_of(config: PipelineConfig, shape: ModelShape, batches: Batches, memory: Memory) -> list[str]:
    """Impossible lengths and shares, and too little memory; batches that do not divide were refused with the recipe."""
    return [
        *length_faults(config, shape.positions),
        *_layer_faults(config, shape),
        *_share_faults(config.policy, shape, batches),
        *_memory_faults(config, memory),
    ]


def _layer_faults(config: PipelineConfig, shape: ModelShape) -> list[str]:
    named = {"policy.trained_layers": config.policy.trained_layers, "reward_model.layers": config.reward_model.layers}
    return [
        f"{name} {layers}: the model has {shape.layers} layers; use at most {shape.layers}"
        for name, layers in named.items()
        if layers is not None and layers > shape.layers
    ]


def _share_faults(policy: PolicyConfig, shape: ModelShape, batches: Batches) -> list[str]:
    """Of vLLM: how it is split over processes, and whether one longest answer fits into what it reserves."""
    faults = []
    parallel = tensor_parallel(policy)
    if batches.processes % parallel or shape.heads % parallel:
        faults.append(
            f"policy.grpo.vllm_tensor_parallel_size {parallel} does not divide {batches.processes} processes and "
            f"{shape.heads} attention heads; use a number that divides both"
        )
    if policy.generation == "vllm_colocate":
        longest = policy.max_prompt_tokens + policy.max_tokens
        needed = longest * shape.kv_bytes_per_token / parallel
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
            f"{memory.device:.1f}: {_reward_model_fixes(config.reward_model)}"
        )
    if memory.peak > memory.device:
        faults.append(_policy_fault(config, memory))
    return faults


def _reward_model_fixes(config: RewardModelConfig) -> str:
    fixes = ["more reward_model.launch.processes_per_machine", "reward_model.launch.offload true"]
    if not config.launch.sharded:
        fixes = ["reward_model.launch.strategy fsdp2 or zero3, on several GPUs"]
    if not config.gradient_checkpointing:
        fixes.append("reward_model.gradient_checkpointing true")
    return "; ".join([*fixes, "a smaller reward_model.micro_batch", "fewer reward_model.layers"])


def _policy_fault(config: PipelineConfig, memory: Memory) -> str:
    phase = "training" if memory.training >= memory.generating else "generating"
    fixes = "; ".join(text for text, helps in _FIXES if helps(config, memory))
    return (
        f"{phase} takes about {memory.peak:.1f} GiB a device, which has {memory.device:.1f} "
        f"(policy.launch.assumed.device_memory_gib): {fixes}"
    )
