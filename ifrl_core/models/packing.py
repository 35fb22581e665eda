"""Texts that begin alike as one row of a model: the beginning (head) once, and after it what follows in each (tails).

A tail sees the head and itself, never another tail, and its positions go on from the head: what a model computes at its
tokens is what it would compute for head and tail alone.
"""

from collections.abc import Sequence
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


def sees(parts: Tensor) -> Tensor:
    """The attention mask (B, 1, T, T) of `parts` (B, T): True where a query (third) sees a key (fourth)."""
    length = parts.shape[1]
    mask = (parts[:, None, :] == 0) | (parts[:, None, :] == parts[:, :, None])
    return (mask & torch.ones(length, length, device=parts.device).tril().bool())[:, None]
