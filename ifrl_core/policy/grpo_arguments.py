"""trl's configuration out of the policy's."""

import os
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import ConfigError
from ifrl_core.policy.launch import VLLM_URL

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear"}
_KEPT_CHECKPOINTS = 2  # the newest may be half written


def grpo_config(config: PolicyConfig, folder: Path, *, seed: int, on_cpu: bool) -> GRPOConfig:
    """trl's configuration; what is named neither here nor under `policy.grpo` is trl's default.

    Raises:
        ConfigError: when trl refuses a value.
    """
    arguments = _arguments(config, folder, seed=seed, on_cpu=on_cpu)
    try:
        return GRPOConfig(**{**arguments, **config.grpo})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trl refuses the configuration of the policy (policy.grpo): {error}") from error


def _arguments(config: PolicyConfig, folder: Path, *, seed: int, on_cpu: bool) -> dict[str, Any]:
    processes = int(os.environ.get("WORLD_SIZE", 1))  # of the launcher
    return dict(
        output_dir=str(folder),
        use_cpu=on_cpu,
        seed=seed,
        # One walk through the positions, for which the curriculum names the prompts.
        num_train_epochs=1,
        shuffle_dataset=False,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=config.rollouts // (config.micro_batch * processes),
        num_generations=config.generations,
        max_completion_length=config.max_tokens,
        temperature=config.temperature,
        top_k=0,
        learning_rate=config.learning_rate,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=config.warmup_steps,
        beta=config.beta,
        scale_rewards=config.scale_rewards,
        bf16=config.bf16,
        gradient_checkpointing=config.gradient_checkpointing,
        save_strategy="steps",
        save_steps=config.save_steps,
        save_total_limit=_KEPT_CHECKPOINTS,
        logging_steps=1,
        log_completions=True,
        num_completions_to_print=0,
        report_to=[],
        disable_tqdm=True,
        ddp_find_unused_parameters=False,  # every trained weight is used in every pass
        **_vllm(config),
    )


def _vllm(config: PolicyConfig) -> dict[str, Any]:
    """trl's fields for vLLM; it sees prompts and answers up to the recipe's lengths."""
    if config.generation == "transformers":
        return {}
    common = {"use_vllm": True, "vllm_mode": config.generation.removeprefix("vllm_")}
    if config.generation == "vllm_server":
        return {**common, "vllm_server_base_url": os.environ[VLLM_URL]}
    return {
        **common,
        "vllm_gpu_memory_utilization": config.launch.vllm_gpu_memory_utilization,
        "vllm_max_model_length": config.max_prompt_tokens + config.max_tokens,
    }
