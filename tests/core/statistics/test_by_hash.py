"""Choices by hash: what is stored was chosen by these very numbers."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.statistics.by_hash import rank_by_hash, seed_by_hash, share_by_hash

PARTS = st.lists(st.integers() | st.text(st.characters(codec="utf-8")), min_size=1, max_size=4)


@given(PARTS)
def test_the_parts_are_joined_by_nul(parts: list[int | str]) -> None:
    assert rank_by_hash(*parts) == hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()


def test_numbers_stay_what_stored_data_was_chosen_by() -> None:
    assert rank_by_hash("labels", 0, "i-7")[:8].hex() == "0fd3fa445e058317"
    assert share_by_hash("labels", 0, "i-7") == 0.06182827157137716
    assert seed_by_hash("labels", 0, "i-7") == 570265151098503563


@given(PARTS)
def test_a_share_is_below_one_and_agrees_with_the_rank(parts: list[int | str]) -> None:
    share = share_by_hash(*parts)
    assert 0 <= share < 1
    assert abs(share - int.from_bytes(rank_by_hash(*parts), "big") / 2**256) < 2**-52
    assert seed_by_hash(*parts) // 2**10 == share * 2**53


def test_the_shares_of_many_names_are_spread_evenly() -> None:
    below = sum(share_by_hash("test", 0, number) < 0.2 for number in range(4_000))
    assert abs(below / 4_000 - 0.2) < 0.025  # four standard deviations; the names are fixed
