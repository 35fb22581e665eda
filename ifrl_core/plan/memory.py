"""Memory of the policy stage on one device, from the recipe and the model's sizes: arithmetic alone.

P is the number of parameters, T that of those that are trained, N the number of processes that share them (all with fsdp2
and zero3, else 1). Sources: Rajbhandari et al., *ZeRO* (arXiv 1910.02054) for what training keeps and how it is shared out;
Kwon et al., *PagedAttention* (arXiv 2309.06180) for the KV cache; activations.py counts tensors. Checked against peaks that
were measured on the CPU: benchmarks/policy.md. Rough where it says so: leave a tenth of a device free.
"""

from collections.abc import Collection
from dataclasses import dataclass

from ifrl_core.config import PipelineConfig, PolicyConfig
from ifrl_core.models.shapes import ModelShape
from ifrl_core.plan.activations import head_bytes, stack_bytes
from ifrl_core.plan.batches import Batches
from ifrl_core.plan.reward_model import reward_model_bytes, training_bytes
from ifrl_core.plan.sizes import GIB, OVERHEAD, gathered_layers, gib, gradient_bytes

PART_TOKENS = 512  # of answers in a row on the CPU: shared_prefix.MAX_ANSWER_TOKENS, which is above


@dataclass(frozen=True)
class Memory:
    """GiB of one device. `training` and `generating` are the two peaks of a step; parts that last count in both."""

    weights: float
    gradients: float
    optimizer: float
    reference: float
    reward_model: float
    gathered: float  # full weights for a moment: casts, layers in flight, or the whole model while it generates
    activations: float
    kv_cache: float  # of all answers at full length (transformers), or what vLLM has for it
    vllm: float  # what vLLM reserves, its KV cache included
    training: float
    generating: float
    device: float
    reward_model_training: float  # that stage, in its own time
    host_loading: float  # of a machine, while its processes load
    checkpoint: float  # on disk, one of two

    @property
    def peak(self) -> float:
        return max(self.training, self.generating)


def trained_parameters(policy: PolicyConfig, shape: ModelShape) -> int:
    """T: all, the top layers and the last norm, or the adapters: rank x (inputs + outputs) of each adapted module."""
    if policy.lora is not None:
        sides = sum(sum(shape.linears[name]) for name in _adapted(policy, shape) or ())
        return shape.layers * policy.lora.rank * sides
    if policy.trained_layers is not None:
        return min(policy.trained_layers, shape.layers) * shape.layer_parameters + shape.hidden
    return shape.parameters


def estimate(config: PipelineConfig, shape: ModelShape, batches: Batches) -> Memory:
    policy = config.policy
    weights, gradients, optimizer, reference = _state_bytes(policy, shape, batches)
    reward_model = 0.0 if policy.launch.reward_model == "service" else reward_model_bytes(config, shape)
    activations = _activation_bytes(policy, shape)
    gathered_training, gathered_generating = _gathered_bytes(policy, shape)
    device = policy.launch.assumed.device_memory_gib * GIB
    vllm = policy.launch.vllm_gpu_memory_utilization * device if policy.generation == "vllm_colocate" else 0.0
    kv_cache = kv_bytes(policy, shape, batches, vllm)
    lasting = weights + optimizer + reference + reward_model + OVERHEAD
    training = lasting + gradients + activations + gathered_training + (0 if vllm_sleeps(policy) else vllm)
    generating = lasting + gathered_generating + (vllm or kv_cache)
    return Memory(
        weights=gib(weights),
        gradients=gib(gradients),
        optimizer=gib(optimizer),
        reference=gib(reference),
        reward_model=gib(reward_model),
        gathered=gib(max(gathered_training, gathered_generating)),
        activations=gib(activations),
        kv_cache=gib(kv_cache),
        vllm=gib(vllm),
        training=gib(training),
        generating=gib(generating),
        device=gib(device),
        reward_model_training=gib(training_bytes(config.reward_model, shape)),
        host_loading=gib(_loading_bytes(policy, shape, batches)),
        checkpoint=gib(_checkpoint_bytes(policy, shape)),
    )


def _state_bytes(policy: PolicyConfig, shape: ModelShape, batches: Batches) -> tuple[float, float, float, float]:
    """Weights, gradients, Adam's two moments in float32, and the reference, which trl loads in the policy's float32."""
    whole, trained = shape.parameters, trained_parameters(policy, shape)
    parts = batches.processes if policy.launch.sharded else 1
    on_device = 0 if policy.launch.offload else 1  # offloaded: of weights and what follows from them, nothing stays
    weights = on_device * _weight_bytes(policy, whole, trained) / parts
    gradients = on_device * gradient_bytes(trained, batches.strategy) / parts
    reference = on_device * 4 * whole / parts if _has_reference(policy) else 0.0
    return weights, gradients, on_device * 8 * trained / parts, reference


def _has_reference(policy: PolicyConfig) -> bool:
    """With adapters there is no second model: they are switched off instead."""
    return policy.beta > 0 and policy.lora is None


def _loading_bytes(policy: PolicyConfig, shape: ModelShape, batches: Batches) -> float:
    """Of a machine's memory while its processes load policy and reference in float32; zero3 loads them in parts."""
    a_process = 0 if batches.strategy == "zero3" else 4 * shape.parameters * (1 + _has_reference(policy))
    return a_process * batches.processes // batches.machines


def _checkpoint_bytes(policy: PolicyConfig, shape: ModelShape) -> float:
    """Weights, of adapters theirs alone, and Adam's moments, in float32."""
    trained = trained_parameters(policy, shape)
    return (4 * trained if policy.lora else 4 * shape.parameters) + 8 * trained


def _weight_bytes(policy: PolicyConfig, whole: int, trained: int) -> float:
    """float32 for what is trained; what is frozen is kept in bf16 under `bf16`, except in a sharded model."""
    frozen = 0 if trained == whole else whole - (0 if policy.lora else trained)
    compact = policy.bf16 and not policy.launch.sharded
    adapters = trained if policy.lora else 0
    return 4 * (whole - frozen + adapters) + (2 if compact else 4) * frozen


def _activation_bytes(policy: PolicyConfig, shape: ModelShape) -> float:
    """Of a pass of longest prompts and answers. Only layers above the lowest trained one keep theirs."""
    prompts, at_once = _prompts_of_pass(policy)
    number, adapters = 2 if policy.bf16 else 4, policy.lora is not None
    frozen_stream = adapters and policy.bf16 and not policy.launch.sharded  # then all of the model is in bf16
    kept = stack_bytes(
        shape,
        prompts * policy.max_prompt_tokens + policy.micro_batch * policy.max_tokens,
        min(policy.trained_layers or shape.layers, shape.layers),
        number,
        adapted=_adapted(policy, shape),
        recomputed=policy.gradient_checkpointing,
        stream=2 if frozen_stream else 4,
    )
    trained = not adapters and policy.trained_layers is None
    return kept + head_bytes(
        shape, at_once * policy.max_tokens, number, trained=trained, on_cpu=policy.launch.device == "cpu"
    )


def _adapted(policy: PolicyConfig, shape: ModelShape) -> Collection[str] | None:
    """The linear modules with adapters; None without adapters."""
    if policy.lora is None:
        return None
    modules = policy.lora.target_modules
    return shape.linears if modules == "all-linear" else [name for name in shape.linears if name in modules]


def _prompts_of_pass(policy: PolicyConfig) -> tuple[int, int]:
    """How often prompts are computed in a pass, and how many answers the head sees at once (policy/shared_prefix.py): a
    prompt once a group, on the CPU once a part of it; once an answer where processes share out the weights."""
    if policy.launch.sharded:
        return policy.micro_batch, policy.micro_batch
    groups, answers = -(-policy.micro_batch // policy.generations), min(policy.micro_batch, policy.generations)
    if policy.launch.device != "cpu":
        return groups, policy.micro_batch
    at_once = min(answers, max(1, PART_TOKENS // policy.max_tokens))
    return groups * -(-answers // at_once), at_once


def _gathered_bytes(policy: PolicyConfig, shape: ModelShape) -> tuple[float, float]:
    """Full weights that exist for a moment, while training and while generating.

    Unsharded, autocast keeps a bf16 cast of what is in float32 (2 P; nothing for weights that are in bf16 already). On the
    CPU the copy that generates stays (policy/generation.py).
    Sharded, two layers and the embedding are whole at a time; the trainer's own generation gathers the model in float32.
    """
    if policy.launch.sharded:
        in_flight = gathered_layers(shape)
        return in_flight, 4.0 * shape.parameters if policy.generation == "transformers" else in_flight
    trained = trained_parameters(policy, shape)
    casts = 2.0 * trained if policy.bf16 else 0.0
    copy = 0.0
    if policy.launch.device == "cpu" and policy.generation == "transformers":
        copy = (2.0 if policy.bf16 else 4.0) * shape.parameters
    return casts + copy, casts + copy


def kv_bytes(policy: PolicyConfig, shape: ModelShape, batches: Batches, vllm: float) -> float:
    """2 x layers x KV heads x head width x 2 bytes a token. The trainer's own generation holds all answers of a process at
    once; vLLM has what its reserve leaves beside the weights in bf16, both shared out by tensor parallelism."""
    if policy.generation == "vllm_server":
        return 0.0
    if policy.generation == "vllm_colocate":
        return vllm - 2 * shape.parameters / tensor_parallel(policy)
    answers = batches.rollouts // batches.processes
    return float(answers * (policy.max_prompt_tokens + policy.max_tokens) * shape.kv_bytes_per_token)


def tensor_parallel(policy: PolicyConfig) -> int:
    """Of vLLM in the training processes; a server has its own."""
    return int(policy.grpo.get("vllm_tensor_parallel_size", 1)) if policy.generation == "vllm_colocate" else 1


def vllm_sleeps(policy: PolicyConfig) -> bool:
    """Whether vLLM gives its memory back while the weights are trained."""
    return bool(policy.grpo.get("vllm_enable_sleep_mode"))
