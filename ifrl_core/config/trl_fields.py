"""Which fields of trl's GRPOConfig a recipe may set under `policy.grpo`, found without importing trl.

The names are read out of the source of the installed trl and transformers: importing them takes seconds, this takes
hundredths of one.
"""

import ast
import difflib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_CLASSES = {
    "GRPOConfig": ("trl", "trainer/grpo_config.py"),
    "_BaseConfig": ("trl", "trainer/base_config.py"),
    "TrainingArguments": ("transformers", "training_args.py"),
}

# What ifrl sets itself, and what to use instead.
OWNED = {
    "output_dir": "IFRL_ROOT",
    "seed": "seed",
    "use_cpu": "policy.launch.device",
    "num_train_epochs": "policy.max_steps",
    "max_steps": "policy.max_steps",
    "shuffle_dataset": "policy.curriculum",
    "per_device_train_batch_size": "policy.micro_batch",
    "gradient_accumulation_steps": "policy.prompts_per_step and policy.micro_batch",
    "steps_per_generation": "policy.prompts_per_step and policy.micro_batch",
    "generation_batch_size": "policy.prompts_per_step",
    "num_generations": "policy.generations",
    "max_completion_length": "policy.max_tokens",
    "temperature": "policy.temperature",
    "learning_rate": "policy.learning_rate",
    "lr_scheduler_type": "policy.schedule",
    "warmup_steps": "policy.warmup_steps",
    "beta": "policy.beta",
    "scale_rewards": "policy.scale_rewards",
    "bf16": "policy.bf16",
    "fp16": "policy.bf16",
    "gradient_checkpointing": "policy.gradient_checkpointing",
    "model_init_kwargs": "model",
    "chat_template_kwargs": "the chat template of the model, by which every engine renders prompts",
    "reward_weights": "policy.reward",
    "use_vllm": "policy.generation",
    "vllm_mode": "policy.generation",
    "vllm_gpu_memory_utilization": "policy.launch.vllm_gpu_memory_utilization",
    "vllm_server_base_url": "the environment variable IFRL_VLLM_URL",
    "vllm_server_host": "the environment variable IFRL_VLLM_URL",
    "vllm_server_port": "the environment variable IFRL_VLLM_URL",
    "fsdp": "policy.launch.strategy",
    "fsdp_config": "policy.launch.strategy",
    "deepspeed": "policy.launch.strategy",
    "ddp_broadcast_buffers": "nothing: all processes load the same buffers",
    "accelerator_config": "policy.launch",
    "parallelism_config": "policy.launch",
    "auto_find_batch_size": "policy.micro_batch",
    "save_strategy": "policy.save_steps",
    "save_steps": "policy.save_steps",
    "save_total_limit": "policy.save_steps",
    "save_only_model": "policy.save_steps",
    "save_on_each_node": "a work folder (IFRL_HOME) that the machines share",
    "resume_from_checkpoint": "the same command again: it goes on from the last checkpoint",
    "ignore_data_skip": "the same command again: it goes on from the last checkpoint",
    "eval_strategy": "evaluation",
    "do_eval": "evaluation",
    "do_predict": "evaluation",
    "load_best_model_at_end": "evaluation",
    "remove_unused_columns": "nothing: the reward needs its columns",
    "report_to": "MLFLOW_TRACKING_URI",
    "logging_steps": "nothing: every step is logged",
    "logging_strategy": "nothing: every step is logged",
    "log_completions": "nothing: samples are kept with the artifact",
    "num_completions_to_print": "nothing: samples are kept with the artifact",
    "log_completions_hub_repo": "registry",
    "push_to_hub": "registry",
    "disable_tqdm": "nothing: progress goes to Prefect",
}

# Fields that say where a training runs, how fast, and what it writes down. Whatever they are, the policy is the same but for
# its last digits, so none of them enters a fingerprint.
PLACING = frozenset(
    {
        *("vllm_tensor_parallel_size", "vllm_enable_sleep_mode", "vllm_server_timeout", "vllm_group_port"),
        *(
            "ds3_gather_for_generation",
            "gradient_checkpointing_kwargs",
            "torch_empty_cache_steps",
            "pad_to_multiple_of",
        ),
        *("torch_compile", "torch_compile_backend", "torch_compile_mode", "enable_jit_checkpoint"),
        *(
            "ddp_find_unused_parameters",
            "ddp_bucket_cap_mb",
            "ddp_static_graph",
            "ddp_backend",
        ),
        *("ddp_timeout", "local_rank", "debug", "skip_memory_metrics", "restore_callback_states_from_checkpoint"),
        *("dataloader_num_workers", "dataloader_pin_memory", "dataloader_persistent_workers"),
        *("dataloader_prefetch_factor", "dataloader_multiprocessing_context"),
        *("logging_first_step", "logging_nan_inf_filter", "log_on_each_node", "log_level", "log_level_replica"),
        *("log_unique_prompts", "log_multimodal", "include_num_input_tokens_seen", "run_name", "project"),
        *("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
        *("hub_token", "hub_private_repo", "hub_model_id", "hub_strategy", "hub_always_push", "hub_revision"),
        # Of evaluation by the trainer, which does not happen.
        *("eval_steps", "eval_delay", "eval_on_start", "eval_do_concat_batches", "eval_use_gather_object"),
        *("eval_accumulation_steps", "per_device_eval_batch_size", "num_generations_eval", "prediction_loss_only"),
        *("bf16_full_eval", "fp16_full_eval", "include_for_metrics", "batch_eval_metrics", "label_names"),
        *("metric_for_best_model", "greater_is_better", "length_column_name", "do_train"),
    }
)

_PLAIN: Mapping[str, type] = {"float": float, "int": int, "bool": bool, "str": str, "None": type(None)}

# Fields that change how tokens are drawn or made: with one of them ifrl's own generation on the CPU steps aside for trl's.
SAMPLING = frozenset(
    {
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "generation_kwargs",
        "cache_implementation",
        "use_transformers_continuous_batching",
    }
)


def refuse_fields(names: Iterable[str]) -> None:
    """Check the names under `policy.grpo`.

    Raises:
        ValueError: one clause a wrong name: what to use instead, or what it may have been meant to be.
    """
    faults = [_fault(name) for name in names if name in OWNED or name not in grpo_fields()]
    if faults:
        raise ValueError("; ".join(faults))


def refuse_values(values: Mapping[str, Any]) -> None:
    """Check that what lies under `policy.grpo` has the kind that trl's field has, and can be written as JSON, which identity
    rests on.

    Raises:
        ValueError: naming the field.
    """
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: numbers, texts, lists and mappings are expected ({error})") from None
        kinds = grpo_fields().get(name, "").split(" | ")
        if set(kinds) <= _PLAIN.keys() and not any(_is(value, _PLAIN[kind]) for kind in kinds):
            raise ValueError(f"{name}: trl expects {' or '.join(kinds)}, not {value!r}")


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of a plain kind: a whole number is a float too, a truth value is no number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


@cache
def grpo_fields() -> Mapping[str, str]:
    """Every field of GRPOConfig by name, with its annotation."""
    return {field: kind for name in reversed(_CLASSES) for field, kind in _declared(name)}


def _declared(name: str) -> list[tuple[str, str]]:
    package, file = _CLASSES[name]
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is a dependency of ifrl"
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    annotated = [node for node in body if isinstance(node, ast.AnnAssign)]
    return [(node.target.id, ast.unparse(node.annotation)) for node in annotated if isinstance(node.target, ast.Name)]


def _fault(name: str) -> str:
    if name in OWNED:
        return f"{name} is set by ifrl: use {OWNED[name]} instead"
    close = difflib.get_close_matches(name, grpo_fields(), n=1)
    hint = f", did you mean {OWNED.get(close[0], close[0])}?" if close else ""
    return f"{name} is no field of trl's GRPOConfig{hint}"
