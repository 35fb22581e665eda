"""The decoder of a model in this process: the embedded engine's, and that of training's rollouts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ifrl_core.inference.decode import check_layers, decode
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.packed import pack, stands_in
from ifrl_core.models.looks.chat import positions_of


class Decoder:
    """A causal model, made ready in place: with `attention.decoding_attention`, and its weights packed where that pays.

    At most `max_rows` completions are in flight, fewer where their prompts and longest completions would together exceed
    `cache_tokens` (23 KB each for SmolLM2-135M in bf16, 160 KB for a 14B model).
    """

    def __init__(self, model: Any, *, max_rows: int = 64, cache_tokens: int = 65_536) -> None:
        """
        Raises:
            ModelError: when the model keeps a state other than keys and values (recurrent layers).
        """
        check_layers(model.config)
        self.model = model.eval()
        self._packed = pack(model)
        self._limits: dict[str, Any] = {
            "max_rows": max_rows,
            "cache_tokens": cache_tokens,
            "positions": positions_of(model.config.to_dict()),
        }

    def completions(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling, ends: Collection[int]
    ) -> Iterator[tuple[int, list[int]]]:
        """(index of a prompt, tokens of its completion) as completions end; see `decode`."""
        return decode(self.model, prompts, seeds, sampling, ends, **self._limits)

    @torch.no_grad()
    def take(self, weights: Iterable[Tensor]) -> None:
        """Decode with these weights from now on, in the order of the model's parameters; none is kept."""
        for mine, weight in zip(self.model.parameters(), weights, strict=True):
            for layer in self._packed.get(mine, []):
                layer.pack(weight)
            if not stands_in(mine):
                mine.copy_(weight)
