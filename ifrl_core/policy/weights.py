"""The weights of a policy: what is loaded to be trained, and what is saved of it."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import TrainingError
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.load import load_answering_model, load_causal_model, mend_generation_config
from ifrl_core.policy.adapter import merged
from ifrl_core.policy.job import Job


def load_policy(folder: Path, config: PolicyConfig) -> PreTrainedModel:
    """The policy in float32, what is frozen in bf16 (with `bf16`): autocast would make bf16 of it in every pass.

    Raises:
        TrainingError: when `trained_layers` is set for a model that does not name its layers.
    """
    # A sharded model has one number format.
    frozen = config.lora is not None and config.bf16 and not config.launch.sharded
    dtype = torch.bfloat16 if frozen else torch.float32
    model: PreTrainedModel = load_answering_model(folder, AutoTokenizer.from_pretrained(folder), dtype=dtype)
    if config.trained_layers is not None:
        freeze_below(model, config.trained_layers, bf16=config.bf16)
    return model


def freeze_below(model: PreTrainedModel, trained_layers: int, *, bf16: bool) -> None:
    """Leave only the top layers and the last norm trainable: the backward pass ends there, and a step costs half.

    With `bf16` the frozen weights are kept in bf16, which autocast would make of them in every pass.

    Raises:
        TrainingError: when the model does not name its layers the way Llama, Qwen, Mistral and their kin do.
    """
    body: Any = model.base_model
    if not hasattr(body, "layers") or not hasattr(body, "norm"):
        raise TrainingError(f"{type(model).__name__} does not name its layers; leave policy.trained_layers empty")
    model.requires_grad_(False)
    for part in (*body.layers[-trained_layers:], body.norm):
        part.requires_grad_(True)
    for weight in model.parameters():
        if bf16 and not weight.requires_grad:
            weight.data = weight.data.bfloat16()


def trained_model(job: Job, weights: dict[str, Any]) -> PreTrainedModel:
    """The base model with trained weights, or with trained adapters merged in, in bf16."""
    model: PreTrainedModel
    if job.config.lora is not None:
        model = merged(job.model, job.config.lora, weights).to(torch.bfloat16)  # type: ignore[arg-type]
    else:
        model = load_causal_model(job.model, dtype=torch.bfloat16)
        model.load_state_dict(weights)
    mend_generation_config(model.generation_config, end_tokens(job.model, AutoTokenizer.from_pretrained(job.model)))
    return model
