"""Which rollouts of a step go through the model together, and which of them not at all.

A pass has `micro_batch` rows as trl counts them. Rows that are not trained on cost nothing, so they fill up passes whose
other rows belong to few groups: each group's prompt is computed as seldom as it can be.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

# Of a rollout that is left out; what is compared with its log-probabilities, which are then 0, must be 0 as well.
_BY_TOKEN = ("completion_mask", "old_per_token_logps", "sampling_per_token_logps", "ref_per_token_logps")


def passes(groups: Sequence[Hashable], trained: Sequence[bool], size: int) -> list[list[int]]:
    """Rows in passes of `size` each: groups kept together as far as they fit, passes without work first.

    Row i belongs to `groups[i]` and is trained on or not. Processes that train together meet in the last pass, so it has work
    if any has.
    """
    together: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        if trained[row]:
            together.setdefault(group, []).append(row)
    bins: list[list[int]] = [[] for _ in range(len(groups) // size)]
    for rows in sorted(together.values(), key=len, reverse=True):
        _place(rows, bins, size)
    idle = iter(row for row in range(len(groups)) if not trained[row])
    return [[*rows, *(next(idle) for _ in range(size - len(rows)))] for rows in sorted(bins, key=len)]


def without(rollouts: Mapping[str, Any], kept: Tensor) -> dict[str, Any]:
    """trl's batch, in which rollouts that are not `kept` (B,) have no tokens to train on."""
    masked = {name: rollouts[name].masked_fill(~kept[:, None], 0) for name in _BY_TOKEN if name in rollouts}
    return {**rollouts, **masked}


def centred(advantages: Tensor, generations: int) -> Tensor:
    """A step's advantages (N,), 0 in groups where all are the same: what equal rewards less their mean leave is rounding, and
    trl divides it by next to nothing."""
    groups = advantages.view(-1, generations)
    same = (groups == groups[:, :1]).all(1, keepdim=True)
    return groups.masked_fill(same, 0).flatten()


def most_telling(advantages: Tensor, count: int) -> Tensor:
    """Which `count` rollouts of a step (N,) pull most, up or down; of equal ones the first. (CPPO, arXiv 2503.22342.)"""
    kept = torch.zeros_like(advantages, dtype=torch.bool)
    kept[torch.argsort(advantages.abs(), descending=True, stable=True)[:count]] = True
    return kept


def taken(rollouts: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Some rows of trl's batch; its scalars are of all of them."""
    index = torch.tensor(rows)
    return {name: value[index.to(value.device)] if value.ndim else value for name, value in rollouts.items()}


def _place(rows: list[int], bins: list[list[int]], size: int) -> None:
    """In the fullest pass that holds them all; where none does, as many as fit in the emptiest, and so on."""
    while rows:
        holding = [rows_of for rows_of in bins if size - len(rows_of) >= len(rows)]
        chosen = max(holding, key=len) if holding else min(bins, key=len)
        room = size - len(chosen)
        chosen += rows[:room]
        rows = rows[room:]
