"""Orders drawn by hash, and shares of steps that add up."""

import itertools
import math
from collections.abc import Iterator, Sequence

from ifrl_core.records import Row
from ifrl_core.statistics.by_hash import rank_by_hash


def walk(pool: Sequence[Row], seed: int, name: int | str, place: int) -> Iterator[Row]:
    """The pool from `place` on: all of it in an order drawn by hash, then in another order, and so on without end."""
    for number in itertools.count(place // len(pool)):
        ranked = sorted((rank(seed, name, number, row["prompt_id"]), index) for index, row in enumerate(pool))
        start = place % len(pool) if number == place // len(pool) else 0
        yield from (pool[index] for _, index in ranked[start:])


def rank(seed: int, name: int | str, number: int, prompt_id: str) -> bytes:
    """What prompts are sorted by on walk `number` through the pool `name` (a curriculum stage, or the problems)."""
    return rank_by_hash("curriculum", seed, name, number, prompt_id)


def share_of_step(step: int, count: int, share: float) -> int:
    """How many of `count` a share is at this step, so that the sum over steps is right: 0, 1, 0, 1 for a quarter of 2."""
    return math.floor((step + 1) * count * share) - math.floor(step * count * share)


def all_levels(levels: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """One curriculum stage with the levels of all: [(1, 2, 3)] of [[1], [2, 3]]."""
    return [tuple(sorted({level for of_stage in levels for level in of_stage}))]
