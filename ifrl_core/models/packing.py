"""Texts that begin alike as one row of a model: the beginning (head) once, and after it what follows in each (tails).

A tail sees the head and itself, never another tail, and its positions go on from the head: what a model computes at its
tokens is what it would compute for head and tail alone.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """T tokens: their ids, their positions in their own text, and the part each is of: 0 the head, 1, 2, ... the tails."""

    ids: list[int]
    positions: list[int]
    parts: list[int]
    starts: list[int]  # of each tail, in the row


def lay_out(head: Sequence[int], tails: Sequence[Sequence[int]]) -> Row:
    row = Row(list(head), list(range(len(head))), [0] * len(head), [])
    for part, tail in enumerate(tails, start=1):
        row.starts.append(len(row.ids))
        row.ids.extend(tail)
        row.positions.extend(range(len(head), len(head) + len(tail)))
        row.parts.extend([part] * len(tail))
    return row


def sees(parts: Tensor, heads: Tensor) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Whether a query sees a key, by their indices (row, attention head, query, key): torch's form of a mask.

    `parts` and `heads` (B, T) name the part that a token is of, and the head that its part follows (a head: itself).
    """

    def rule(row: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        seen = parts[row, key]
        return (key <= query) & ((seen == heads[row, query]) | (seen == parts[row, query]))

    return rule


def mask_of(parts: Tensor, heads: Tensor) -> Tensor:
    """The attention mask (B, 1, T, T): True where a query (third) sees a key (fourth)."""
    rows, length = parts.shape
    row, at = torch.arange(rows, device=parts.device), torch.arange(length, device=parts.device)
    return sees(parts, heads)(row[:, None, None], row[:1], at[:, None], at)[:, None]
