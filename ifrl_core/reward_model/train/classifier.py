"""The classifier that is trained: a backbone with a fresh head, whole or with adapters, and its loss on packed rows."""

from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, LoraModel, TaskType
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ifrl_core.config import RewardModelConfig
from ifrl_core.models.load import load_classifier
from ifrl_core.models.looks.build import cut_config, load_config
from ifrl_core.reward_model.model.packing import pair_logits
from ifrl_core.reward_model.train.losses import corrected_loss, posterior_loss, unlabelled_loss
from ifrl_core.reward_model.train.noise import Noise

_HEAD = "score."  # of the classifiers of decoders


def load_backbone(folder: Path, tokenizer: PreTrainedTokenizerBase, config: RewardModelConfig) -> PreTrainedModel:
    """The lowest `config.layers` layers of the backbone (none: all) with a fresh one-output head, in float32.

    Raises:
        ConfigError: when the backbone has fewer layers.
        ModelError: when the folder lacks weights of other parts than the head.
    """
    size = load_config(folder, str(folder), num_labels=1, problem_type="multi_label_classification")
    padding = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    size.pad_token_id = next(index for index in padding if index is not None and index < size.vocab_size)
    size = cut_config(size, config.layers)
    model: PreTrainedModel = load_classifier(
        folder, fresh=_HEAD, config=size, dtype=torch.float32, attn_implementation="sdpa"
    )
    return model


def load_trainable(
    folder: Path, tokenizer: PreTrainedTokenizerBase, config: RewardModelConfig
) -> tuple[PreTrainedModel, LoraModel | None]:
    """The backbone as it is trained, and with `config.lora` the adapters that it carries.

    Raises:
        ConfigError, ModelError: as `load_backbone`.
    """
    model = load_backbone(folder, tokenizer, config)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model, None if config.lora is None else with_adapters(model, config.lora)


def with_adapters(model: PreTrainedModel, rank: int) -> LoraModel:
    """Put LoRA adapters (Hu et al., arXiv 2106.09685; scale alpha / rank = 2) on all linear layers of `model`, in place.

    Only they and the fresh head have gradients then; `merge_and_unload` of the result makes `model` a plain one again.
    """
    adapted = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type=TaskType.SEQ_CLS
    )
    adapters = LoraModel(model, adapted, "default")
    cast(nn.Module, model.score).requires_grad_(True)
    return adapters


class PackedClassifier(nn.Module):
    """Mean loss over the labels of an optimizer step, from packed rows (see losses.py)."""

    def __init__(self, model: PreTrainedModel, noise: Noise = "ignore") -> None:
        super().__init__()
        self.model = model
        self._no_split_modules = model._no_split_modules  # the layers that fsdp2 shares out one by one
        self._noise = noise

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor,
        rows: Tensor,
        ends: Tensor,
        labels: Tensor,
        rates: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> dict[str, Tensor]:
        """Shapes as in `packing.Batch`; labels (N,) in {0, 1}; rates (4, N), in the order of RATES;
        `num_items_in_batch`: labels of the whole step."""
        logits = pair_logits(self.model, input_ids, position_ids, attention_mask, rows, ends)
        if self._noise == "ignore" or rates is None:
            total = binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        elif self._noise == "posterior":
            total = posterior_loss(logits, labels, rates[2], rates[3])
        elif self._noise == "rates":
            total = corrected_loss(logits, labels, rates[0], rates[1])
        else:
            total = unlabelled_loss(logits, labels, rates[2])
        return {
            "loss": total / (labels.numel() if num_items_in_batch is None else num_items_in_batch),
            "logits": logits,
        }
