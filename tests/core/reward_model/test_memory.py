"""Scoring when memory runs out: batches get smaller, answers stay the same, and what fits nowhere is None."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from ifrl_core.reward_model.model.packing import Packed
from ifrl_core.reward_model.model.score import RewardModel

pytestmark = pytest.mark.model

PAIRS = [(f"word{i} " * 40, constraint) for i in range(60) for constraint in ("No commas.", "Be kind.")]


@contextmanager
def little_memory(mebibytes: int) -> Iterator[None]:
    """No more memory than `mebibytes`: no new address space, and what the allocator holds free is taken as well."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + mebibytes * 2**20, before[1]))
    taken = []
    try:
        for size in (256, 64, 16, 4, 1):
            with suppress(MemoryError):
                while True:
                    taken.append(np.empty(size * 2**20, dtype=np.uint8))
        del taken[-mebibytes:]  # the last and smallest: a mebibyte each
        yield
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_batch_that_memory_does_not_hold_is_halved(reward_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = RewardModel(reward_model, dtype="float32", batch_tokens=256).probabilities(PAIRS)
    scorer = RewardModel(reward_model, dtype="float32", batch_tokens=1_000_000)
    with caplog.at_level(logging.INFO, "ifrl_core.reward_model.model.score"), little_memory(16):
        found = scorer.probabilities(PAIRS)
    assert "going on with half" in caplog.text
    assert found == pytest.approx(expected, abs=1e-4)


def test_other_failures_of_the_model_are_not_taken_for_memory(reward_model: Path) -> None:
    with pytest.raises(IndexError):
        RewardModel(reward_model)._score([Packed((1,), ((10**6,),), (0,))])  # no such token


def test_a_row_halves_down_to_single_pairs() -> None:
    row = Packed((1, 2), ((3,), (4,), (5,)), (7, 8, 9))
    halves = row.halves()
    assert halves == (Packed((1, 2), ((3,),), (7,)), Packed((1, 2), ((4,), (5,)), (8, 9)))
    assert halves[0].halves() is None
