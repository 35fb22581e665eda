"""The rows that the classifier is trained on, packed, in the order of training."""

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from ifrl_core.config import RewardModelConfig
from ifrl_core.records import Row
from ifrl_core.reward_model.model.packing import Packed, collate, pack
from ifrl_core.reward_model.model.template import encode
from ifrl_core.reward_model.train.job import texts
from ifrl_core.reward_model.train.noise import RATES


def packed_rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Row], split: str, max_tokens: int) -> list[Packed]:
    """The rows of one split, with places in `pairs`."""
    chosen = [place for place, pair in enumerate(pairs) if pair["split"] == split]
    rows = pack(encode(tokenizer, texts([pairs[place] for place in chosen]), max_tokens))
    return [replace(row, places=tuple(chosen[place] for place in row.places)) for row in rows]


def training_order(
    rows: Sequence[Packed], instruction: Sequence[str], config: RewardModelConfig, seed: int
) -> list[Packed]:
    """Every row once an epoch, epoch after epoch; `instruction[place]` is that of a pair.

    The rows of an instruction stand together, so that a step sees a constraint with its positive and its negative answer:
    what the two share cancels in the gradient. Within a step rows are sorted by length, which keeps padding low.
    """
    ladders: dict[str, list[Packed]] = {}
    for row in rows:
        ladders.setdefault(instruction[row.places[0]], []).append(row)
    source = random.Random(seed)
    epochs = [source.sample(sorted(ladders), len(ladders)) for _ in range(config.epochs)]
    order = [row for names in epochs for name in names for row in ladders[name]]
    steps = (order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size))
    return [row for step in steps for row in sorted(step, key=lambda row: row.length)]


def shared_out(rows: Sequence[Packed], at_once: int) -> list[Packed]:
    """`rows`, then rows without a pair until their number is a multiple of `at_once`, a micro-batch of every process:
    accelerate would fill the last ones with rows of the beginning."""
    missing = -len(rows) % at_once
    return [*rows, *[Packed(head=(0,), tails=(), places=())] * missing]


class PackedRows(Dataset[Packed]):
    def __init__(self, rows: list[Packed]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Packed:
        return self._rows[index]


class Collator:
    """Packed rows to the arguments of `classifier.PackedClassifier`."""

    def __init__(self, pairs: list[Row], pad_id: int) -> None:
        self._labels = [float(pair["label"]) for pair in pairs]
        rated = all(pair["hit"] is not None for pair in pairs)
        self._rates = [tuple(pair[name] for name in RATES) for pair in pairs] if rated else None
        self._pad_id = pad_id

    def __call__(self, rows: list[Packed]) -> dict[str, Tensor]:
        batch = collate(rows, self._pad_id)
        arguments = {
            "input_ids": batch.input_ids,
            "position_ids": batch.position_ids,
            "attention_mask": batch.attention_mask,
            "rows": batch.rows,
            "ends": batch.ends,
            "labels": torch.tensor([self._labels[place] for place in batch.places]),
        }
        if self._rates is not None:
            arguments["rates"] = torch.tensor([self._rates[place] for place in batch.places]).reshape(-1, len(RATES)).T
        return arguments
