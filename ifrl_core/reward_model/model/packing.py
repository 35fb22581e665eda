"""Several constraints after one response in one forward pass (ifrl_core/models/packing.py).

What all tails of a row begin with (the words of the template) belongs to its head. The logit of a tail is what the pair alone
would give. Two labels that share a rollout, or the soft constraints of one answer, then cost the response's tokens once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ifrl_core.inference.length_batches import length_batches
from ifrl_core.models.packing import lay_out, mask_of
from ifrl_core.reward_model.model.template import Encoded

MAX_PADDING = 0.1  # share of a batch's rectangle
_MAX_TAIL_TOKENS = 512  # per row: bounds the square of the attention when very many constraints share a response


@dataclass(frozen=True)
class Packed:
    """One row: `places[i]` is the index, in the encoded sequence, of the pair whose tail is `tails[i]`."""

    head: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.head) + sum(len(tail) for tail in self.tails)

    def halves(self) -> tuple["Packed", "Packed"] | None:
        """The row as two with half of the tails each; None when it has one."""
        middle = len(self.tails) // 2
        if not middle:
            return None
        return (
            Packed(self.head, self.tails[:middle], self.places[:middle]),
            Packed(self.head, self.tails[middle:], self.places[middle:]),
        )


@dataclass(frozen=True)
class Batch:
    """B rows of T tokens that hold N pairs.

    `input_ids`, `position_ids` (B, T); `attention_mask` (B, 1, T, T), True where a query (third) sees a key (fourth);
    `rows`, `ends` (N,): row and position of the last token of each pair; `places` (N,) as in `Packed`.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    rows: Tensor
    ends: Tensor
    places: tuple[int, ...]


def pack(encoded: Sequence[Encoded | None]) -> list[Packed]:
    """One row per distinct head, in order of first appearance; pairs that are None are left out."""
    heads: dict[tuple[int, ...], list[int]] = {}
    for place, item in enumerate(encoded):
        if item is not None:
            heads.setdefault(item.head, []).append(place)
    rows = []
    for head, places in heads.items():
        for chunk in _within(places, encoded):
            tails = [encoded[place].tail for place in chunk]  # type: ignore[union-attr]
            same = _same_beginning(tails)
            rows.append(Packed(head + tails[0][:same], tuple(tail[same:] for tail in tails), tuple(chunk)))
    return rows


def collate(rows: Sequence[Packed], pad_id: int) -> Batch:
    """Rows padded on the right to the longest. A padded query sees the head, which keeps its softmax defined."""
    length = max(row.length for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    positions = torch.zeros((len(rows), length), dtype=torch.long)
    parts = torch.full((len(rows), length), -1)  # -1: padding
    where: list[tuple[int, int]] = []
    for index, row in enumerate(rows):
        laid = lay_out(row.head, row.tails)
        for whole, values in ((ids, laid.ids), (positions, laid.positions), (parts, laid.parts)):
            whole[index, : row.length] = torch.tensor(values)
        where += [(index, start + len(tail) - 1) for start, tail in zip(laid.starts, row.tails, strict=True)]
    rows_of, ends = torch.tensor(where, dtype=torch.long).reshape(-1, 2).T
    return Batch(
        ids,
        positions,
        mask_of(parts, torch.zeros_like(parts)),
        rows_of,
        ends,
        tuple(place for row in rows for place in row.places),
    )


def token_batches(rows: Iterable[Packed], max_tokens: int) -> Iterator[list[Packed]]:
    """Rows of about one length, longest first; at most `max_tokens` a batch, padding included."""
    return length_batches(rows, lambda row: row.length, max_tokens=max_tokens, max_padding=MAX_PADDING)


def pair_logits(
    model: PreTrainedModel, input_ids: Tensor, position_ids: Tensor, attention_mask: Tensor, rows: Tensor, ends: Tensor
) -> Tensor:
    """Logits (N,) in float32 of a sequence classifier with one label; shapes as in `Batch`."""
    hidden = model.base_model(
        input_ids=input_ids, position_ids=position_ids, attention_mask=attention_mask, use_cache=False
    ).last_hidden_state
    logits: Tensor = cast(nn.Module, model.score)(hidden[rows, ends])  # (N, 1)
    return logits.squeeze(-1).float()


def _same_beginning(tails: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all tails begin with, at least one token of each left out; 0 for one tail, which gains nothing."""
    if len(tails) == 1:
        return 0
    most = min(len(tail) for tail in tails) - 1
    return next((place for place in range(most) if len({tail[place] for tail in tails}) > 1), most)


def _within(places: list[int], encoded: Sequence[Encoded | None]) -> Iterator[list[int]]:
    chunk: list[int] = []
    tokens = 0
    for place in places:
        size = len(encoded[place].tail)  # type: ignore[union-attr]
        if chunk and tokens + size > _MAX_TAIL_TOKENS:
            yield chunk
            chunk, tokens = [], 0
        chunk.append(place)
        tokens += size
    yield chunk
