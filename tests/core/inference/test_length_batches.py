"""Batches by length: every item once, within the budget, with little padding."""

from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.inference.length_batches import length_batches

LENGTHS = st.lists(st.integers(0, 400), max_size=60)


@given(LENGTHS, st.integers(1, 5_000), st.floats(0, 1))
def test_batches_hold_every_item_once_longest_first_within_the_budget_and_the_padding(
    lengths: list[int], max_tokens: int, max_padding: float
) -> None:
    batches = list(
        length_batches(range(len(lengths)), lengths.__getitem__, max_tokens=max_tokens, max_padding=max_padding)
    )
    in_order = [index for batch in batches for index in batch]
    assert in_order == sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for batch in batches:
        rectangle = len(batch) * lengths[batch[0]]
        padding = rectangle - sum(lengths[index] for index in batch)
        assert len(batch) == 1 or (rectangle <= max_tokens and padding <= max_padding * rectangle)


@given(LENGTHS, st.integers(1, 5_000))
def test_a_batch_ends_only_where_the_next_item_would_not_fit(lengths: list[int], max_tokens: int) -> None:
    batches = list(length_batches(lengths, int, max_tokens=max_tokens))
    assert all(batch[0] * (len(batch) + 1) > max_tokens for batch in batches[:-1])


def test_items_of_near_lengths_share_batches() -> None:
    lengths = [102 + index % 8 for index in range(64)]
    assert len(list(length_batches(lengths, int, max_tokens=2_048, max_padding=0.1))) == 4
