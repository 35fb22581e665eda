"""Texts as vectors: the mean of the last hidden states of a model over their tokens."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from ifrl_core.inference.length_batches import length_batches
from ifrl_core.models.dtype import device_here, usable_dtype

_MAX_TOKENS = 256  # of a text; what comes later is not read
_BATCH_TOKENS = 8_192  # at once, padding included
_AS_TEXT = {"add_special_tokens": False, "split_special_tokens": True}  # a mark in a text is text


class TextVectors:
    """The model in `folder` as a function of texts; `special_tokens`: whether they are put between those of the tokenizer, as
    sentence encoders were trained."""

    def __init__(self, folder: Path, *, special_tokens: bool = False) -> None:
        self._special_tokens = special_tokens
        self._device = device_here()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        dtype = getattr(torch, usable_dtype(device=self._device))
        self._model = AutoModel.from_pretrained(folder, dtype=dtype).to(self._device).eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(len(texts), hidden) in float32, texts of like length together; none is empty."""
        how = {**_AS_TEXT, "add_special_tokens": self._special_tokens}
        token_ids = self._tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS, **how)
        inputs: list[list[int]] = token_ids["input_ids"]
        means: list[Tensor] = [torch.empty(0)] * len(texts)
        for places in length_batches(range(len(texts)), lambda place: len(inputs[place]), max_tokens=_BATCH_TOKENS):
            batch = self._tokenizer.pad(
                {"input_ids": [inputs[place] for place in places]}, padding_side="right", return_tensors="pt"
            ).to(self._device)
            hidden = self._model(**batch, use_cache=False).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1)
            for place, mean in zip(places, (hidden * mask).sum(1) / mask.sum(1), strict=True):
                means[place] = mean
        return torch.stack(means)
