"""The arguments of transformers' trainers: the defaults that we hold them to, and what was resolved for the record.

A library may change its defaults; what shapes the result is therefore said here, and tests/core/training/arguments.json holds
every resolved argument, so that an upgrade that adds or changes one is seen.
"""

import json
from typing import Any

from ifrl_core.stages.provenance import Provenance, device

# Fields of TrainingArguments that shape the weights, as transformers 5.19 has them.
TRAINER: dict[str, Any] = {
    "optim": "adamw_torch_fused",
    "optim_args": None,
    "optim_target_modules": None,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "lr_scheduler_kwargs": None,
    "label_smoothing_factor": 0.0,
    "neftune_noise_alpha": None,
    "average_tokens_across_devices": True,
    "train_sampling_strategy": "random",
    "dataloader_drop_last": False,
    "dataloader_in_order": True,
    "data_seed": None,
    "full_determinism": False,
    "tf32": None,
    "use_liger_kernel": False,
    "liger_kernel_config": None,
    "use_cache": False,
}
# Of rows that are laid out beforehand, every epoch of them, so that a resume is exact; each step is logged as it is.
LAID_OUT: dict[str, Any] = {
    "train_sampling_strategy": "sequential",
    "num_train_epochs": 1,
    "lr_scheduler_type": "linear",
    "save_strategy": "steps",
    "logging_steps": 1,
    "logging_nan_inf_filter": False,
    "remove_unused_columns": False,
    "dataloader_pin_memory": False,
    "disable_tqdm": True,
    "report_to": [],
}
# Of the processes that share a step: every trained weight is used in every pass, and all load the same buffers, while one may
# run the model more often than another.
TOGETHER: dict[str, Any] = {"ddp_find_unused_parameters": False, "ddp_broadcast_buffers": False}
_PLACES = ("hub_", "push_to_hub", "trackio_", "vllm_server_", "vllm_group_port", "log_completions_hub_repo")
_ALSO_PLACES = frozenset({"output_dir", "logging_dir", "run_name", "project", "resume_from_checkpoint", "local_rank"})


def resolved(arguments: Any) -> dict[str, Any]:
    """Every argument of a TrainingArguments as JSON, without those that name places (folders, addresses, accounts)."""
    told = {k: v for k, v in arguments.to_dict().items() if k not in _ALSO_PLACES and not k.startswith(_PLACES)}
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain


def training_provenance(model: Any, arguments: Any) -> Provenance:
    """What a process trains with: its device, how many such processes there are, the number formats, every argument."""
    return {
        **device(),
        "processes": arguments.world_size,
        "weights": ", ".join(sorted({str(weight.dtype).removeprefix("torch.") for weight in model.parameters()})),
        "autocast": "bfloat16" if arguments.bf16 else "float16" if arguments.fp16 else "none",
        "arguments": resolved(arguments),
    }
