"""Intervals: what a mean, a share, or a difference of either is worth.

Functions take plain arrays, keep no state and draw nothing at random. Values must be finite: unscored items are left out, and
counted, by the caller. Empty input raises ValueError. Wilson's and Newcombe's intervals are those of statsmodels, which is
imported when first used: it brings pandas along.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; `units` is how many independent units it rests on."""

    mean: float
    low: float
    high: float
    units: int

    @property
    def clear_of_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero (never, with a single unit)."""
        return self.units > 1 and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Estimate:
    """A mean over independent clusters, and all that its interval at any level is made of.

    `error`: its standard error; `skewness`: that of the mean, not of a cluster; `units`: clusters, of which `fell` are below
    0 and `rose` above; `reach`: the furthest that one can be from 0. None where nothing of the kind is known.
    """

    mean: float
    error: float
    skewness: float
    units: int
    reach: float | None = None
    fell: int | None = None
    rose: int | None = None

    def interval(self, level: float = 0.95) -> Interval:
        """Student's t with `units` - 1 degrees of freedom; the side to which the mean is skewed is longer by the first
        Cornish-Fisher term, and none is shorter: a tail that few clusters show is there, one that they lack may be.

        When no cluster fell (or rose), a share p that does would be missed with probability (1 - p)^units: that end lies as
        far out as this share could bring the mean. benchmarks/gate_intervals.md holds it all against the bootstrap.

        Sources: Johnson, Modified t Tests and Confidence Intervals for Asymmetrical Populations (JASA 73, 1978); Hanley and
        Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right? (JAMA 249, 1983).
        """
        if self.units < 2:
            return self._ends(self.reach or 0.0, self.reach or 0.0)
        quantile = student_quantile((1 + level) / 2, self.units - 1)
        longer = self.skewness / 6 * (1 + 2 * quantile**2)
        below, above = (self.error * (quantile + max(0.0, more)) for more in (-longer, longer))
        if self.reach is not None:
            unseen = 1 - ((1 - level) / 2) ** (1 / self.units)
            below = max(below, unseen * (self.mean + self.reach)) if self.fell == 0 else below
            above = max(above, unseen * (self.reach - self.mean)) if self.rose == 0 else above
        return self._ends(below, above)

    def minus(self, other: "Estimate") -> "Estimate":
        """The difference from an independent estimate, on as many units as the smaller of the two."""
        error = math.hypot(self.error, other.error)
        cubes = self.skewness * self.error**3 - other.skewness * other.error**3
        units = min(self.units, other.units)
        return Estimate(self.mean - other.mean, error, cubes / error**3 if error else 0.0, units, self.reach)

    def _ends(self, below: float, above: float) -> Interval:
        reach = math.inf if self.reach is None else max(self.reach, abs(self.mean))
        return Interval(self.mean, max(-reach, self.mean - below), min(reach, self.mean + above), self.units)


def jackknife(estimate: float, without: ArrayLike, *, reach: float | None = None) -> Estimate:
    """An estimate with the error and skewness that leaving out each cluster shows; `without` (clusters,): it without each.

    Sources: Efron and Stein, The Jackknife Estimate of Variance (Ann. Stat. 9, 1981); Joanes and Gill, Comparing Measures of
    Sample Skewness and Kurtosis (The Statistician 47, 1998), G1.
    """
    jumps = estimate - finite(without, "without")
    units, squares = len(jumps), float((jumps**2).sum())
    if squares <= (1e-12 * max(1.0, abs(estimate))) ** 2:  # rounding
        return Estimate(estimate, 0.0, 0.0, units, reach)
    skewness = float((jumps**3).sum()) / squares**1.5
    unbiased = math.sqrt(units * (units - 1)) / (units - 2) if units > 2 else 1.0
    return Estimate(estimate, math.sqrt((1 - 1 / units) * squares), skewness * unbiased, units, reach)


def ratio_of_sums(sums: Floats, counts: Floats, *, reach: float | None = None) -> Estimate:
    """Mean over the items of clusters, whose values add up to `sums` and number `counts`, both (clusters,)."""
    mean = float(sums.sum() / counts.sum())
    if len(sums) == 1:
        return Estimate(mean, 0.0, 0.0, 1, reach)
    estimate = jackknife(mean, (sums.sum() - sums) / (counts.sum() - counts), reach=reach)
    return replace(estimate, fell=int((sums < 0).sum()), rose=int((sums > 0).sum()))


def paired_difference(
    before: ArrayLike,
    after: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    reach: float | None = None,
) -> Estimate:
    """Mean of `after - before`; `before`, `after`: (n,), paired item by item.

    With `clusters` (n,), items of equal cluster count as one unit: give the prompt or seed of each constraint, since the
    constraints of one answer are not independent. Every item weighs the same: the mean is a ratio of sums over clusters.
    """
    first, second = finite(before, "before"), finite(after, "after")
    if first.shape != second.shape:
        raise ValueError(f"before has shape {first.shape} and after {second.shape}; expected the same items in both")
    return cluster_mean(second - first, clusters=clusters, reach=reach)


def cluster_mean(
    values: ArrayLike, *, clusters: Sequence[Any] | NDArray[Any] | None = None, reach: float | None = None
) -> Estimate:
    """Mean of `values` (n,); `clusters` (n,) as in `paired_difference`."""
    flat = finite(values, "values")
    if flat.size == 0:
        raise ValueError("values is empty: a mean of nothing is undefined")
    return ratio_of_sums(*_cluster_sums(flat, clusters), reach=reach)


def student_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def wilson(successes: int, total: int, level: float = 0.95) -> Interval:
    """Share `successes / total` of independent yes/no items with Wilson's score interval.

    Unlike the bootstrap it keeps its coverage for shares near 0 and 1. Source: Wilson, Probable Inference (JASA 22, 1927).

    Raises:
        ValueError: unless 0 <= successes <= total and there is at least one item.
    """
    from statsmodels.stats.proportion import proportion_confint

    _check_counts(successes, total)
    low, high = proportion_confint(successes, total, alpha=1 - level, method="wilson")
    # The exact bounds at 0 and 1 are 0 and 1; rounding would leave them a hair off.
    return Interval(successes / total, 0.0 if successes == 0 else low, 1.0 if successes == total else high, total)


def difference_of_shares(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> Interval:
    """`p1 - p2` of two independent (successes, total), with Newcombe's hybrid score interval.

    Like Wilson's it keeps its coverage for few items and shares near 0 and 1. Source: Newcombe, Interval Estimation for the
    Difference between Independent Proportions (Statistics in Medicine 17, 1998), method 10.

    Raises:
        ValueError: as `wilson`.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    for counts in (first, second):
        _check_counts(*counts)
    low, high = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff", alpha=1 - level)
    low, high = max(-1.0, float(low)), min(1.0, float(high))  # rounding goes beyond
    return Interval(first[0] / first[1] - second[0] / second[1], low, high, first[1] + second[1])


def _check_counts(successes: int, total: int) -> None:
    if not 0 <= successes <= total or total < 1:
        raise ValueError(f"{successes} of {total}: expected 0 <= successes <= total and at least one item")


def _cluster_sums(values: Floats, clusters: Sequence[Any] | NDArray[Any] | None) -> tuple[Floats, Floats]:
    """(sum, count) of the values of each cluster, both (units,); without clusters every value is its own."""
    if clusters is None:
        return values, np.ones_like(values)
    if len(clusters) != values.size:
        raise ValueError(f"{len(clusters)} clusters for {values.size} values; expected one per value")
    order: dict[Any, int] = {}
    names: Sequence[Any] = clusters.tolist() if isinstance(clusters, np.ndarray) else clusters
    place = np.array([order.setdefault(name, len(order)) for name in names])
    return np.bincount(place, weights=values).astype(np.float64), np.bincount(place).astype(np.float64)


def finite(values: ArrayLike, name: str) -> Floats:
    """`values` (n,) as floats; ValueError, with `name`, for another shape or a value that is not finite."""
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim != 1:
        raise ValueError(f"{name} has shape {flat.shape}; expected one dimension")
    if not np.isfinite(flat).all():
        raise ValueError(f"{name} holds NaN or infinity: leave unscored items out before, and count them")
    return flat
