"""Low-rank adapters (policy.lora): made by peft, trained by trl, and added into the weights that are saved."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import PreTrainedModel

from ifrl_core.config import LoraConfig
from ifrl_core.models.load import load_causal_model

_ADAPTER = "default"


def peft_config(config: LoraConfig) -> PeftLoraConfig:
    modules = config.target_modules
    return PeftLoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
    )


def plain_model(policy: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model that carries the adapters, if any."""
    return cast(PreTrainedModel, policy.get_base_model()) if isinstance(policy, PeftModel) else policy


def plain_weights(policy: PreTrainedModel | PeftModel) -> Iterator[Tensor]:
    """The weights in the order of the model without adapters, each with its adapter's part added; nothing is changed.

    Merging and unmerging would leave rounding behind in the frozen weights at every step.
    """
    if not isinstance(policy, PeftModel):
        yield from policy.parameters()
        return
    body = plain_model(policy)
    layers: dict[str, Any] = {name: layer for name, layer in body.named_modules() if isinstance(layer, LoraLayer)}
    for name, weight in body.named_parameters():
        owner, _, last = name.rpartition(".base_layer.")
        if last == "weight" and owner in layers:
            yield weight + layers[owner].get_delta_weight(_ADAPTER)
        elif name.partition(".lora_")[0] not in layers:
            yield weight


def merged(base: Path, config: LoraConfig, adapter: Mapping[str, Any]) -> PreTrainedModel:
    """The model of folder `base` with trained adapter weights (of a PeftModel's state dict) merged in, in float32."""
    model = load_causal_model(base, dtype=torch.float32)
    adapted = get_peft_model(model, peft_config(config))
    kept = {name.replace(f".{_ADAPTER}.", "."): value for name, value in adapter.items() if ".lora_" in name}
    outcome: Any = set_peft_model_state_dict(adapted, kept)
    assert not outcome.unexpected_keys, outcome.unexpected_keys
    assert kept, "the state dict has no adapter"
    return cast(PreTrainedModel, adapted.merge_and_unload())
