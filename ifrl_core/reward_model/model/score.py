"""Probabilities P(satisfied | response, constraint) from a trained reward model folder.

Pairs that share a response are scored in one row (see packing), rows go through in length-sorted batches under a token
budget that halves when memory runs out, and the answers come back in the order of the question.
"""

import logging
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ifrl_core.config import Dtype
from ifrl_core.models.dtype import device_here, usable_dtype
from ifrl_core.models.load import load_classifier
from ifrl_core.reward_model.model.packing import Packed, collate, pack, pair_logits, token_batches
from ifrl_core.reward_model.model.scorer import Pair, Probabilities
from ifrl_core.reward_model.model.settings import read_settings
from ifrl_core.reward_model.model.template import encode
from ifrl_core.text.reasoning import Reasoning

log = logging.getLogger(__name__)

_CPU_BATCH_TOKENS = 2048
_GPU_BATCH_TOKENS = 65_536


class RewardModel:
    """A reward model on the GPU when there is one, else on the CPU; `dtype` is what it computes in."""

    def __init__(self, folder: Path, *, dtype: Dtype | None = None, batch_tokens: int | None = None) -> None:
        """Load a folder that the reward-model stage wrote; `dtype` none: bf16 where the processor has it, else float32.

        Raises:
            ModelError: when the folder is not a whole one, or was trained with another template than this version renders.
        """
        self._settings = read_settings(folder)
        self._device = device_here()
        self.dtype: Dtype = dtype or usable_dtype(device=self._device)
        self._batch_tokens = batch_tokens or tokens_at_once(self._device)
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        model = load_classifier(folder, dtype=getattr(torch, self.dtype), attn_implementation="sdpa")
        self._model: PreTrainedModel = model.to(self._device).eval()

    @property
    def max_tokens(self) -> int:
        """The longest input (response and one constraint); longer responses lose their middle."""
        return self._settings.max_tokens

    @property
    def reasoning(self) -> Reasoning:
        """The format of the responses whose answers it was trained on; pairs that it is asked about hold answers alone."""
        return self._settings.reasoning

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """One probability per (response, constraint text), in their order; None for a pair that could not be scored:
        its constraint alone fills the input, the model's output is not a number, or memory does not hold the pair."""
        rows = pack(encode(self._tokenizer, pairs, self._settings.max_tokens))
        scores: Probabilities = [None] * len(pairs)
        batches = token_batches(rows, self._batch_tokens)
        while batch := next(batches, None):
            scored = self._score_if_it_fits(batch)
            if scored is None:
                half = batch[0].length * len(batch) // 2
                batches = token_batches([*_smaller(batch), *chain.from_iterable(batches)], half)
                continue
            for place, value in scored:
                scores[place] = value if math.isfinite(value) else None
        return scores

    def _score_if_it_fits(self, batch: list[Packed]) -> list[tuple[int, float]] | None:
        """(place, probability) of every pair; None when memory ran out."""
        try:
            return self._score(batch)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
        log.info("memory does not hold a batch of %d tokens: going on with half", batch[0].length * len(batch))
        # Out of the handler: the error held the tensors of the forward pass.
        if self._device == "cuda":
            torch.cuda.empty_cache()
        return None

    @torch.inference_mode()
    def _score(self, rows: list[Packed]) -> list[tuple[int, float]]:
        batch = collate(rows, self._model.config.pad_token_id)
        tensors = (batch.input_ids, batch.position_ids, batch.attention_mask, batch.rows, batch.ends)
        logits = pair_logits(self._model, *(tensor.to(self._device) for tensor in tensors))
        scaled = self._settings.scale * logits + self._settings.bias
        return list(zip(batch.places, scaled.sigmoid().tolist(), strict=True))


def tokens_at_once(device: str) -> int:
    """The token budget of a batch, padding included."""
    return _GPU_BATCH_TOKENS if device == "cuda" else _CPU_BATCH_TOKENS


def _smaller(batch: list[Packed]) -> Sequence[Packed]:
    """What to try instead of a batch that memory did not hold."""
    if len(batch) > 1:
        return batch
    if (halves := batch[0].halves()) is None:
        log.warning("a pair of %d tokens is left unscored: memory does not hold it alone", batch[0].length)
        return ()
    return halves


def _out_of_memory(error: Exception) -> bool:
    """Torch has a class for the GPU's memory; for the machine's it raises a RuntimeError with one of these texts."""
    texts = ("DefaultCPUAllocator", "bad_alloc", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in texts)
