"""Keys and values of rows in flight: a token is written in place, rows join and leave without a copy of the others.

transformers' dynamic cache makes a new tensor of everything for every token, its static one attends to the longest length
from the first token on and holds its rows for good.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer


class RowsCache(Cache):
    """A cache for a model's forward pass whose rows (B) end in the same column, whatever their lengths; it begins empty."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._device: torch.device | None = None

    def join(self, prefilled: DynamicCache, rows: Tensor) -> None:
        """Append the `rows` (N) of another cache; one may be named several times."""
        self._device = rows.device
        for _ in range(len(prefilled.layers) - len(self.layers)):
            self.layers.append(_Layer())
        for layer, joining in zip(self.layers, prefilled.layers, strict=True):
            cast(_Layer, layer).join(joining, rows)

    def keep(self, order: Sequence[int], columns: int) -> None:
        """Keep the rows of `order` (see `closed_up`) and the last `columns` columns."""
        moved = [place for place, row in enumerate(order) if row != place]
        places, rows = (
            torch.tensor(numbers, dtype=torch.long, device=self._device)
            for numbers in (moved, [order[place] for place in moved])
        )
        for layer in self.layers:
            cast(_Layer, layer).keep(len(order), places, rows, columns)


def closed_up(kept: Sequence[int]) -> list[int]:
    """The rows that are kept (their places, ascending), the last ones in the places of those that left.

    >>> closed_up([0, 2, 3, 5])
    [0, 5, 2, 3]
    """
    staying = [place for place in kept if place < len(kept)]
    moving = [place for place in kept if place >= len(kept)]
    stays = set(staying)
    return [place if place in stays else moving.pop() for place in range(len(kept))]


class _Layer(DynamicLayer):
    """Keys and values (B, K, T, D) as views of what has room for more."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._states = _States(), _States()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        for states, new in zip(self._states, (key_states, value_states), strict=True):
            states.append(new)
        return self._seen()

    def join(self, joining: Any, rows: Tensor) -> None:
        self.dtype, self.device = joining.keys.dtype, joining.keys.device
        for states, new in zip(self._states, (joining.keys, joining.values), strict=True):
            states.join(new, rows)
        self._seen()

    def keep(self, count: int, places: Tensor, rows: Tensor, columns: int) -> None:
        for states in self._states:
            states.keep(count, places, rows, columns)
        self._seen()

    def _seen(self) -> tuple[Tensor, Tensor]:
        self.keys, self.values = (states.seen() for states in self._states)
        self.is_initialized = True
        return self.keys, self.values


class _States:
    """States of the first `rows` rows, in columns `first` to `end` of a tensor that is finite everywhere.

    What is masked is multiplied by 0, which a NaN would survive.
    """

    def __init__(self) -> None:
        self._all = torch.zeros(0, 0, 0, 0)
        self._rows = self._first = self._end = 0

    def seen(self) -> Tensor:
        return self._all[: self._rows, :, self._first : self._end]

    def append(self, new: Tensor) -> None:
        columns = new.shape[2]
        if self._end + columns > self._all.shape[2]:
            self._move(self._rows, self._end - self._first, new)
        self._all[: self._rows, :, self._end : self._end + columns] = new
        self._end += columns

    def join(self, new: Tensor, rows: Tensor) -> None:
        count = self._rows + len(rows)
        width = max(self._end - self._first, new.shape[2])
        if self._end < width or count > len(self._all):
            self._move(count, width, new)
        self._first = self._end - width
        self._all[self._rows : count, :, self._end - new.shape[2] : self._end] = new[rows]
        self._rows = count

    def keep(self, count: int, places: Tensor, rows: Tensor, columns: int) -> None:
        self._first = self._end - columns
        if len(places):
            self.seen()[places] = self.seen()[rows]
        self._rows = count

    def _move(self, rows: int, width: int, like: Tensor) -> None:
        """Into a tensor for `rows` rows that end in column `width`, with room for an eighth more."""
        seen, room = self.seen(), width // 8 + 16
        self._all = like.new_zeros(rows, like.shape[1], width + room, like.shape[3])
        self._first, self._end = width - seen.shape[2], width
        if self._rows:
            self.seen().copy_(seen)
