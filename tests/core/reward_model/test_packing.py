"""Packing: constraints after one response see it and not each other; the model's logits are those of the pairs alone."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
)

from ifrl_core.reward_model.model.packing import Packed, collate, pack, pair_logits, token_batches
from ifrl_core.reward_model.model.template import Encoded

PAD = 0
Ids = tuple[int, ...]
tokens = st.lists(st.integers(1, 90), min_size=1, max_size=12).map(tuple)
tails = st.tuples(st.sampled_from([(), (7,), (7, 8)]), tokens).map(
    lambda parts: parts[0] + parts[1]
)  # some begin alike


@pytest.fixture(scope="module")
def tiny() -> PreTrainedModel:
    """Random weights: equality of two ways to compute the same number needs no trained model."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_labels=1,
        pad_token_id=PAD,
        attn_implementation="sdpa",
    )
    return LlamaForSequenceClassification(config).eval()


def _logits(model: PreTrainedModel, rows: list[Packed]) -> dict[int, float]:
    batch = collate(rows, PAD)
    with torch.inference_mode():
        found = pair_logits(model, batch.input_ids, batch.position_ids, batch.attention_mask, batch.rows, batch.ends)
    return dict(zip(batch.places, found.tolist(), strict=True))


def test_a_row_holds_each_response_once() -> None:
    rows = pack([Encoded((1, 2), (3,)), Encoded((5,), (6,)), None, Encoded((1, 2), (4, 4))])
    assert rows == [Packed((1, 2), ((3,), (4, 4)), (0, 3)), Packed((5,), ((6,),), (1,))]


def test_what_all_tails_begin_with_is_held_once() -> None:
    tails = [(3, 4, 5), (3, 4, 6, 7), (3, 4)]
    [row] = pack([Encoded((1, 2), tail) for tail in tails])
    assert row == Packed((1, 2, 3), ((4, 5), (4, 6, 7), (4,)), (0, 1, 2))
    [same] = pack([Encoded((1,), (3, 4))] * 2)
    assert same == Packed((1, 3), ((4,), (4,)), (0, 1))


def test_mask_positions_and_ends_of_a_row() -> None:
    batch = collate([Packed((7, 8), ((1, 2), (3,)), (0, 1)), Packed((9,), ((4,),), (2,))], PAD)
    assert batch.input_ids.tolist() == [[7, 8, 1, 2, 3], [9, 4, 0, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 2], [0, 1, 0, 0, 0]]
    assert batch.attention_mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],  # the second tail does not see the first
    ]
    assert list(zip(batch.rows.tolist(), batch.ends.tolist(), strict=True)) == [(0, 3), (0, 4), (1, 1)]
    assert batch.places == (0, 1, 2)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(tokens, st.lists(tails, min_size=1, max_size=4)), min_size=1, max_size=4))
def test_packed_logits_equal_one_by_one(
    tiny: PreTrainedModel, groups: list[tuple[tuple[int, ...], list[tuple[int, ...]]]]
) -> None:
    encoded = [Encoded(head, tail) for head, tails in groups for tail in tails]
    together = _logits(tiny, pack(encoded))
    for place, item in enumerate(encoded):
        ids = torch.tensor([item.head + item.tail])
        with torch.inference_mode():
            alone = tiny(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.item()
        assert together[place] == pytest.approx(alone, abs=1e-5)


def test_a_saved_model_is_a_plain_sequence_classifier(tiny: PreTrainedModel, tmp_path: Path) -> None:
    tiny.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    ids = torch.tensor([[5, 6, 7]])
    assert again(ids).logits.item() == pytest.approx(tiny(ids).logits.item(), abs=1e-6)


def _padding(batch: list[Packed]) -> float:
    return 1 - sum(row.length for row in batch) / (len(batch) * max(row.length for row in batch))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 5_000))
def test_a_tenth_of_a_batch_is_padding_at_most(lengths: list[int], budget: int) -> None:
    rows = [Packed((1,) * length, ((2,),), (index,)) for index, length in enumerate(lengths)]
    assert all(_padding(batch) <= 0.1 for batch in token_batches(rows, budget))
