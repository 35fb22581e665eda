"""FollowBench's figures over its ladders: groups of one instruction at levels 1 to 5."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class LadderFigures:
    """`hsr`, `ssr`: by level, the share of groups that meet all constraints and the mean share met; `csl`: the mean number
    of leading levels met in a row. `weighted_*`: the official aggregate, level l weighing l/15; `mean_*`: the plain mean."""

    hsr: Mapping[int, float]
    ssr: Mapping[int, float]
    csl: float

    @property
    def mean_hsr(self) -> float:
        return fmean(self.hsr.values())

    @property
    def mean_ssr(self) -> float:
        return fmean(self.ssr.values())

    @property
    def weighted_hsr(self) -> float:
        return _weighted(self.hsr)

    @property
    def weighted_ssr(self) -> float:
        return _weighted(self.ssr)


def ladder_figures(groups: Sequence[Mapping[int, Sequence[bool]]]) -> LadderFigures:
    """`groups[g][level]`: the verdicts on the constraints of that level, one each (of a rule row: one in all).

    Raises:
        ValueError: without groups, or when a group lacks a level.
    """
    if not groups:
        raise ValueError("no group was graded")
    if lacking := [g for g, group in enumerate(groups) if set(group) != set(LEVELS)]:
        raise ValueError(f"group {lacking[0]} has not the levels 1 to 5")
    return LadderFigures(
        hsr={level: fmean(all(group[level]) for group in groups) for level in LEVELS},
        ssr={level: fmean(fmean(group[level]) for group in groups) for level in LEVELS},
        csl=fmean(leading([all(group[level]) for level in LEVELS]) for group in groups),
    )


def leading(verdicts: Sequence[bool]) -> int:
    """How many hold before the first that does not."""
    return next((i for i, holds in enumerate(verdicts) if not holds), len(verdicts))


def _weighted(by_level: Mapping[int, float]) -> float:
    return sum(level * share for level, share in by_level.items()) / sum(LEVELS)
