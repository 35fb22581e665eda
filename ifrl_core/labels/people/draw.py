"""Which answers a sheet shows, and in what order: contrasts drawn evenly over types and levels, some of them shown twice."""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ifrl_core.records import Row
from ifrl_core.statistics.by_hash import rank_by_hash


@dataclass(frozen=True)
class ShownContrast:
    """One constraint of one instruction with an answer of each label; `rank` is its place in the random draw."""

    rank: str
    instruction_id: str
    type: str
    level: int
    positive: str  # label_id
    negative: str  # label_id


@dataclass(frozen=True)
class Shown:
    """One judgement asked for: which contrast, which of its two answers, and whether for the first or second time."""

    contrast: int
    label_id: str
    showing: int


def contrasts_of(labels: Iterable[Row], seed: int) -> Iterator[ShownContrast]:
    """One contrast for each instruction and level that has both labels; of several answers a side, one by hash.

    `labels` is in the order of the table: the rows of an instruction stand together.
    """
    for instruction_id, rows in itertools.groupby(labels, key=lambda row: row["instruction_id"]):
        sides: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        types: dict[int, str] = {}
        for row in rows:
            sides[row["level"]][row["label"]].append(row["label_id"])
            types[row["level"]] = row["constraint"]["type"]
        for level, (negatives, positives) in sides.items():
            if negatives and positives:
                positive, negative = (min(ids, key=lambda name: _hash(seed, name)) for ids in (positives, negatives))
                yield ShownContrast(_hash(seed, positive), instruction_id, types[level], level, positive, negative)


def draw(contrasts: Iterable[ShownContrast], count: int) -> list[ShownContrast]:
    """At most `count` contrasts: types as even as they last, then levels, then by rank."""
    pools: dict[str, dict[int, list[ShownContrast]]] = defaultdict(lambda: defaultdict(list))
    for contrast in sorted(contrasts, key=lambda contrast: contrast.rank, reverse=True):
        pools[contrast.type][contrast.level].append(contrast)
    first = {name: max(pool[-1].rank for pool in levels.values()) for name, levels in pools.items()}
    drawn: list[ShownContrast] = []
    of_type, of_level = Counter[str](), Counter[int]()
    while pools and len(drawn) < count:
        name = min(pools, key=lambda name: (of_type[name], first[name]))
        level = min(pools[name], key=lambda level: (of_level[level], level))
        drawn.append(pools[name][level].pop())
        of_type[name] += 1
        of_level[level] += 1
        if not pools[name][level]:
            del pools[name][level]
        if not pools[name]:
            del pools[name]
    return drawn


def showing_order(contrasts: Sequence[ShownContrast], repeat: float, source: random.Random) -> list[Shown]:
    """Every contrast once, its two answers adjacent, both orders random; then a share of them in the other order.

    A share above 0 repeats at least one.
    """
    first = [(index, source.random() < 0.5) for index in range(len(contrasts))]  # (contrast, positive first)
    source.shuffle(first)
    repeated = source.sample(first, max(round(repeat * len(first)), 1 if repeat else 0))
    order = [(index, positive_first, 1) for index, positive_first in first]
    order += [(index, not positive_first, 2) for index, positive_first in repeated]
    shown = []
    for index, positive_first, showing in order:
        sides = (contrasts[index].positive, contrasts[index].negative)
        shown += [Shown(index, label_id, showing) for label_id in (sides if positive_first else sides[::-1])]
    return shown


def _hash(seed: int, name: str) -> str:
    return rank_by_hash("sheet", seed, name).hex()
