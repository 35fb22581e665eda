"""The reward-model stage: memory of a device, and what it trains on. Arithmetic alone; sources in memory.py.

Checked against measured peaks on the CPU: benchmarks/reward_model.md.
"""

from dataclasses import dataclass

from ifrl_core.config import PipelineConfig, RewardModelConfig
from ifrl_core.models.shapes import ModelShape
from ifrl_core.plan.activations import stack_bytes
from ifrl_core.plan.sizes import OVERHEAD, gathered_layers, gradient_bytes


def reward_model_bytes(config: PipelineConfig, shape: ModelShape) -> float:
    """What scores soft constraints, bf16 and whole on a device: the backbone that reward_model.layers leaves, without a head,
    or for likelihoods the model itself. None of it is loaded when all constraints are hard."""
    if config.instructions.hard_share == 1:
        return 0.0
    likelihood = config.policy.reward.soft == "likelihood"
    return 2.0 * (shape.parameters if likelihood else _backbone(config.reward_model, shape))


def training_bytes(config: RewardModelConfig, shape: ModelShape) -> float:
    """Of one device: the larger of the training and of the measuring after it, by the first process."""
    launch = config.launch
    whole, trained = _backbone(config, shape), trained_parameters(config, shape)
    parts, on_device = (processes_of(config) if launch.sharded else 1), (0 if launch.offload else 1)
    weights = 4 * (whole + (trained if config.lora else 0))
    state = on_device * (weights + gradient_bytes(trained, strategy_of(config)) + 8 * trained) / parts
    casts = gathered_layers(shape) if launch.sharded else 2 * whole if config.bf16 else 0
    measuring = 2 * (shape.parameters if config.baselines else whole)
    return max(state + casts + _activation_bytes(config, shape), measuring) + OVERHEAD


def _activation_bytes(config: RewardModelConfig, shape: ModelShape) -> float:
    """Of a micro-batch of longest inputs."""
    return stack_bytes(
        shape,
        config.micro_batch * config.max_tokens,
        _layers(config, shape),
        2 if config.bf16 else 4,
        adapted=shape.linears if config.lora else None,
        recomputed=config.gradient_checkpointing,
    )


def trained_parameters(config: RewardModelConfig, shape: ModelShape) -> int:
    """All, or the adapters: rank x (inputs + outputs) of each linear module."""
    if config.lora is None:
        return _backbone(config, shape)
    return _layers(config, shape) * config.lora * sum(sum(size) for size in shape.linears.values())


def processes_of(config: RewardModelConfig) -> int:
    """One, where the recipe leaves their number to the machine."""
    return config.launch.processes or 1


def strategy_of(config: RewardModelConfig) -> str:
    auto = "ddp" if processes_of(config) > 1 else "single"
    return auto if config.launch.strategy == "auto" else config.launch.strategy


@dataclass(frozen=True)
class Work:
    """What the stage trains on at most: responses, and their tokens at the assumed length of an answer, of all epochs."""

    responses: int
    tokens: int
    hours: float


def work_of(config: PipelineConfig) -> Work:
    """Every answer of the instructions that validation leaves, up to max_pairs; hours at the throughput of a policy step."""
    section, rollouts, assumed = config.reward_model, config.rollouts, config.policy.launch.assumed
    answers = config.seeds.train * (config.instructions.max_constraints + 1) * rollouts.samples
    kept = min(round(answers * (1 - config.labels.validation_share)), section.max_pairs)
    answer = min(assumed.answer_tokens or max(1, rollouts.max_tokens // 2), rollouts.max_tokens, section.max_tokens)
    tokens = section.epochs * kept * answer
    hours = round(tokens / (assumed.tokens_per_second * processes_of(section)) / 3600, 2)
    return Work(section.epochs * kept, tokens, hours)


def _layers(config: RewardModelConfig, shape: ModelShape) -> int:
    return min(config.layers or shape.layers, shape.layers)


def _backbone(config: RewardModelConfig, shape: ModelShape) -> int:
    return shape.embedding_parameters + _layers(config, shape) * shape.layer_parameters
