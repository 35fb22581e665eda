"""The decode loop: rows leave when their completions end, and others take their places (continuous batching).

Prompts go longest first, so that rows in flight are of about one length and little of them is padding. Rows are padded on
the left to a common width; padding is masked, so a row's logits do not depend on the others beyond the rounding of
differently shaped products, and its tokens are drawn by numbers of its own seed. The same call with the same dtype and torch
build on the same processor type gives the same tokens; across processor types rounding may differ and so may a drawn token.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from ifrl_core.errors import ModelError
from ifrl_core.inference.draws import draw, uniforms
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.length_batches import length_batches

_PREFILL_TOKENS = 4096  # at once: bounds the memory of activations, and the padding of a group
_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


@dataclass
class _Partial:
    """A completion in the making: the index of its prompt, a uniform number for each token, the tokens so far."""

    index: int
    numbers: list[float]
    tokens: list[int] = field(default_factory=list)

    def ended(self, ends: Collection[int]) -> bool:
        return self.tokens[-1] in ends or len(self.tokens) == len(self.numbers)


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
    ends: Collection[int],
    *,
    max_rows: int = 64,
    cache_tokens: int = 65_536,
    positions: int | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Yield (index of a prompt, tokens of its completion) as completions end; a token of `ends`, which ends one, is kept.

    Prompt and completion share the model's `positions` (None: no limit): a completion ends with them, and a prompt that
    fills them has an empty one.

    `prompts` are token ids; a prompt that stands there several times is read once for those that join together. At most
    `max_rows` rows are in flight, fewer where their prompts and longest completions would together exceed `cache_tokens`.
    """
    left = [sampling.max_tokens if positions is None else positions - len(prompt) for prompt in prompts]
    yield from ((index, []) for index, tokens in enumerate(left) if tokens <= 0)
    fitting = (index for index, tokens in enumerate(left) if tokens > 0)
    waiting = deque(sorted(fitting, key=lambda index: len(prompts[index]), reverse=True))
    batch, rows = _Batch(model), list[_Partial]()
    while waiting or rows:
        longest = max(len(prompts[index]) for index in [row.index for row in rows] or [waiting[0]])
        places = min(max_rows, max(1, cache_tokens // (longest + sampling.max_tokens))) - len(rows)
        joining = [waiting.popleft() for _ in range(min(places, len(waiting)))]
        for group in length_batches(joining, lambda index: len(prompts[index]), max_tokens=_PREFILL_TOKENS):
            batch.join([prompts[index] for index in group])
            rows += [_Partial(index, uniforms(seeds[index], sampling.max_tokens)[: left[index]]) for index in group]
        tokens = draw(batch.logits, [row.numbers[len(row.tokens)] for row in rows], sampling)
        for row, token in zip(rows, tokens, strict=True):
            row.tokens.append(token)
        alive = [place for place, row in enumerate(rows) if not row.ended(ends)]
        yield from ((row.index, row.tokens) for row in rows if row.ended(ends))
        if len(alive) < len(rows):
            batch.keep(alive)
            rows = [rows[place] for place in alive]
        if rows:
            batch.advance([row.tokens[-1] for row in rows])


def check_layers(config: Any) -> None:
    """
    Raises:
        ModelError: when a model of this config keeps a state other than keys and values (recurrent layers).
    """
    if others := set(getattr(config, "layer_types", None) or ()) - _LAYERS:
        raise ModelError(
            f"{config.name_or_path}: layers of type {', '.join(sorted(others))} are not for the transformers engine, whose "
            "batches keep keys and values alone; use engine vllm or server"
        )


class _Batch:
    """Keys, values and next logits of the rows in flight, in the order in which they joined."""

    def __init__(self, model: Any) -> None:
        self._model, self._device = model, model.device
        # Without the model's config: sliding windows by mask, so that rows can be moved.
        self._cache: Any = DynamicCache()
        self._mask = self._tensor([]).view(0, 0)  # (B, T): 1 where a token is, 0 padding
        self.logits = torch.zeros((0, 0), device=self._device)  # (B, V), of the next token

    def join(self, prompts: Sequence[Sequence[int]]) -> None:
        """Append rows of these prompts (token ids); equal prompts are prefilled once, and their keys and values copied."""
        distinct = {prompt: place for place, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        width = max(len(prompt) for prompt in distinct)
        ids = self._tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in distinct])
        mask = self._tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in distinct])
        cache: Any = DynamicCache()
        logits = self._forward(ids, mask, cache)
        if logits.isnan().any():
            raise ModelError(
                f"{self._model.config.name_or_path}: what it computes is no number (NaN): its weights are broken"
            )
        if len(distinct) < len(prompts):
            copies = self._tensor([distinct[tuple(prompt)] for prompt in prompts])
            cache.batch_select_indices(copies)
            mask, logits = mask[copies], logits[copies]
        if len(self._mask):
            width = max(width, self._mask.shape[1])
            for layer, joining in zip(self._cache.layers, cache.layers, strict=True):
                layer.keys = torch.cat([_widened(layer.keys, width), _widened(joining.keys, width)])
                layer.values = torch.cat([_widened(layer.values, width), _widened(joining.values, width)])
            mask = torch.cat([_pad(self._mask, width), _pad(mask, width)])
            logits = torch.cat([self.logits, logits])
        else:
            self._cache = cache
        self._mask, self.logits = mask, logits

    def advance(self, tokens: Sequence[int]) -> None:
        """Append one token to each row."""
        ids = self._tensor(tokens)[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(ids)], dim=1)
        self.logits = self._forward(ids, self._mask, self._cache)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows, and the columns that were there for them alone."""
        index = self._tensor(rows)
        mask = self._mask[index]
        first = int(mask.any(dim=0).int().argmax()) if rows else mask.shape[1]
        for layer in self._cache.layers:
            layer.keys = layer.keys[index, :, first:]
            layer.values = layer.values[index, :, first:]
        self._mask, self.logits = mask[:, first:], self.logits[index]

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        positions = (mask.cumsum(dim=1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _tensor(self, numbers: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)


def _widened(states: Any, width: int) -> torch.Tensor:
    """Keys or values (B, K, T, D) with empty columns on the left, up to `width`."""
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[2], 0))


def _pad(mask: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (width - mask.shape[1], 0))
