"""Probabilities P(satisfied | response, constraint) from a trained reward model folder.

Pairs that share a response are scored in one row (see packing), rows go through in length-sorted batches under a token
budget, and the answers come back in the order of the question.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ifrl_core.reward_model.packing import Packed, collate, pack, pair_logits, token_batches
from ifrl_core.reward_model.settings import read_settings
from ifrl_core.reward_model.template import encode

_CPU_BATCH_TOKENS = 2048
_GPU_BATCH_TOKENS = 65_536


class RewardModel:
    """A reward model on the GPU when there is one, else on the CPU."""

    def __init__(self, folder: Path, *, dtype: str | None = None, batch_tokens: int | None = None) -> None:
        """Load a folder that the reward-model stage wrote; `dtype` none: bf16 where the processor has it, else float32.

        Raises:
            ModelError: when the folder is not one, or was trained with another template than this version renders.
        """
        self._settings = read_settings(folder)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._batch_tokens = batch_tokens or (_GPU_BATCH_TOKENS if self._device == "cuda" else _CPU_BATCH_TOKENS)
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self._model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=getattr(torch, dtype or native_dtype()), attn_implementation="sdpa"
        )
        self._model.to(self._device).eval()

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """One probability per (response, constraint text), in their order; None for a pair that could not be scored:
        its constraint alone fills the input, or the model's output is not a number."""
        encoded = encode(self._tokenizer, pairs, self._settings.max_tokens)
        scores: list[float | None] = [None] * len(pairs)
        for batch in token_batches(pack(encoded), self._batch_tokens):
            for place, value in self._score(batch):
                scores[place] = value if math.isfinite(value) else None
        return scores

    @torch.inference_mode()
    def _score(self, rows: list[Packed]) -> list[tuple[int, float]]:
        batch = collate(rows, self._model.config.pad_token_id)
        tensors = (batch.input_ids, batch.position_ids, batch.attention_mask, batch.rows, batch.ends)
        logits = pair_logits(self._model, *(tensor.to(self._device) for tensor in tensors))
        scaled = self._settings.scale * logits + self._settings.bias
        return list(zip(batch.places, scaled.sigmoid().tolist(), strict=True))


def native_dtype() -> str:
    """bfloat16 where the processor computes in it, else float32."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"
