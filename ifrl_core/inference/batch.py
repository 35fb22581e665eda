"""The batch in flight: rows leave when their answers end, and others take their places (continuous batching).

Rows are padded on the left to a common width. Padding is masked, so a row's logits do not depend on the others beyond the
rounding of differently shaped products.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache


class Batch:
    """Keys, values and next logits of the rows in flight, in the order in which they joined."""

    def __init__(self, model: Any, device: str) -> None:
        self._model, self._device = model, device
        self._cache: Any = (
            DynamicCache()
        )  # without the model's config: sliding windows by mask, so that rows can be moved
        self._mask = torch.zeros((0, 0), dtype=torch.long, device=device)  # (B, T): 1 where a token is, 0 padding
        self.logits = torch.zeros((0, 0), device=device)  # (B, V), of the next token

    def __len__(self) -> int:
        return len(self._mask)

    def join(self, prompts: Sequence[Sequence[int]]) -> None:
        """Prefill `prompts` (token ids) and append them as rows."""
        width = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=self._device)
        mask = torch.tensor(
            [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=self._device
        )
        cache: Any = DynamicCache()
        logits = self._forward(ids, mask, cache)
        if len(self):
            width = max(width, self._mask.shape[1])
            for mine, new in zip(self._cache.layers, cache.layers, strict=True):
                mine.keys = torch.cat([_widened(mine.keys, width), _widened(new.keys, width)])
                mine.values = torch.cat([_widened(mine.values, width), _widened(new.values, width)])
            mask = torch.cat([_pad(self._mask, width), _pad(mask, width)])
            logits = torch.cat([self.logits, logits])
        else:
            self._cache = cache
        self._mask, self.logits = mask, logits

    def advance(self, tokens: Sequence[int]) -> None:
        """Append one token to each row."""
        ids = torch.tensor(tokens, device=self._device)[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(ids)], dim=1)
        self.logits = self._forward(ids, self._mask, self._cache)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows, and the columns that were there for them alone."""
        index = torch.tensor(rows, dtype=torch.long, device=self._device)
        mask = self._mask[index]
        first = int(mask.any(dim=0).int().argmax()) if len(rows) else mask.shape[1]
        for layer in self._cache.layers:
            layer.keys = layer.keys[index, :, first:]
            layer.values = layer.values[index, :, first:]
        self._mask, self.logits = mask[:, first:], self.logits[index]

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        positions = (mask.cumsum(dim=1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _widened(states: Any, width: int) -> torch.Tensor:
    """Keys or values (B, K, T, D) with empty columns on the left, up to `width`."""
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[2], 0))


def _pad(mask: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (width - mask.shape[1], 0))
