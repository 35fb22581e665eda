"""trl's configuration out of the policy's."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import ConfigError
from ifrl_core.policy.launch import VLLM_URL
from ifrl_core.training.arguments import TOGETHER, TRAINER

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear"}
_KEPT_CHECKPOINTS = 2  # the newest may be half written

# Fields of GRPOConfig that shape the policy, as trl 1.16 has them; a recipe changes them under `policy.grpo`.
GRPO: dict[str, Any] = {
    "loss_type": "dapo",
    "epsilon": 0.2,
    "epsilon_high": None,
    "delta": None,
    "num_iterations": 1,
    "importance_sampling_level": "token",
    "use_bias_correction_kl": True,
    "mask_truncated_completions": False,
    "top_entropy_quantile": 1.0,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "entropy_coef_min": 0.0,
    "entropy_coef_max": 1.0,
    "entropy_coef_delta": 0.005,
    "entropy_target": 0.2,
    "sapo_temperature_neg": 1.05,
    "sapo_temperature_pos": 1.0,
    "vespo_k_pos": 2.0,
    "vespo_lambda_pos": 3.0,
    "vespo_k_neg": 3.0,
    "vespo_lambda_neg": 2.0,
    "multi_objective_aggregation": "sum_then_normalize",
    "off_policy_mask_threshold": None,
    "sync_ref_model": False,
    "ref_model_mixup_alpha": 0.6,
    "ref_model_sync_steps": 512,
    "disable_dropout": False,
    "cast_lm_head_to_fp32": False,
    "router_aux_loss_coef": None,
    "trust_remote_code": False,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "generation_kwargs": None,
    "cache_implementation": None,
    "max_tool_calling_iterations": None,
    "use_transformers_continuous_batching": False,
    "transformers_continuous_batching_config": None,
    "vllm_model_impl": "vllm",
    "vllm_structured_outputs_regex": None,
    "vllm_max_model_length": None,
    "vllm_importance_sampling_correction": True,
    "vllm_importance_sampling_mode": "sequence_mask",
    "vllm_importance_sampling_clip_max": 3.0,
    "vllm_importance_sampling_clip_min": None,
}
DEPRECATED = frozenset({"use_transformers_paged", "vllm_importance_sampling_cap"})  # other names of fields above


def grpo_config(config: PolicyConfig, folder: Path, *, seed: int, on_cpu: bool, ends: Sequence[int] = ()) -> GRPOConfig:
    """trl's configuration; what is named neither here nor under `policy.grpo` shapes no policy and is trl's default.

    `ends`: ids of the tokens that end an answer.

    Raises:
        ConfigError: when trl refuses a value.
    """
    arguments = _arguments(config, folder, seed=seed, on_cpu=on_cpu)
    try:
        return GRPOConfig(**{**TRAINER, **GRPO, **arguments, **config.grpo, **_ends(config, ends)})
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
        **TOGETHER,
        **_vllm(config),
    )


def _ends(config: PolicyConfig, ends: Sequence[int]) -> dict[str, Any]:
    """For vLLM, which would end answers with what generation_config.json and the tokenizer name; trl asks the model else."""
    chosen = config.grpo.get("generation_kwargs") or {}
    if config.generation == "transformers" or not ends or not isinstance(chosen, Mapping):
        return {}
    return {"generation_kwargs": {"stop_token_ids": list(ends), **chosen}}


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


if __name__ == "__main__":  # launch.check_grpo: the policy's section in, why trl refuses it out
    try:
        grpo_config(PolicyConfig.model_validate_json(sys.stdin.read()), Path("unused"), seed=0, on_cpu=True)
    except ConfigError as error:
        sys.exit(" ".join(str(error).split()))
