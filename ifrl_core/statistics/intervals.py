"""Intervals: what a mean, a share, or a difference of either is worth.

Functions take plain arrays, keep no state and leave the global random generator alone. Values must be finite: unscored items
are left out, and counted, by the caller. Empty input raises ValueError. Wilson's and Newcombe's intervals are those of
statsmodels, which is imported when first used: it brings pandas along.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_DRAWS_AT_ONCE = 1 << 21  # bounds the memory of a bootstrap to about 32 MB, however many units there are


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; `units` is how many independent units it rests on.

    A bootstrap over a single unit has no width, whatever the truth: look at `units` before believing a narrow one.
    """

    mean: float
    low: float
    high: float
    units: int

    @property
    def clear_of_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero (never, with a single unit)."""
        return self.units > 1 and (self.low > 0 or self.high < 0)


def paired_bootstrap(
    before: ArrayLike,
    after: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    samples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of `after - before` with a percentile bootstrap interval; `before`, `after`: (n,), paired item by item.

    With `clusters` (n,), items of equal cluster are drawn together: give the prompt or seed of each constraint, since
    the constraints of one answer are not independent. A resample of clusters C has the statistic
    `sum_{c in C} sum_{i in c} (after_i - before_i) / sum_{c in C} n_c`, so that every item weighs the same.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13 (percentile interval); pairing as in
    Koehn, Statistical Significance Tests for Machine Translation Evaluation (EMNLP 2004). With fewer than about 20
    clusters the interval is too narrow.
    """
    first, second = finite(before, "before"), finite(after, "after")
    if first.shape != second.shape:
        raise ValueError(f"before has shape {first.shape} and after {second.shape}; expected the same items in both")
    return bootstrap_mean(second - first, clusters=clusters, samples=samples, level=level, seed=seed)


def bootstrap_mean(
    values: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    samples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of `values` (n,) with a percentile bootstrap interval; `clusters` (n,) as in `paired_bootstrap`."""
    flat = finite(values, "values")
    if flat.size == 0:
        raise ValueError("values is empty: a mean of nothing is undefined")
    sums, counts = _cluster_sums(flat, clusters)
    units = len(sums)
    random = np.random.default_rng(seed)
    means = np.empty(samples)
    step = max(1, _DRAWS_AT_ONCE // units)
    for start in range(0, samples, step):
        drawn = random.integers(0, units, size=(min(step, samples - start), units))  # (chunk, units)
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(flat.mean()), float(low), float(high), units)


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
    return Interval(first[0] / first[1] - second[0] / second[1], float(low), float(high), first[1] + second[1])


def _check_counts(successes: int, total: int) -> None:
    if not 0 <= successes <= total or total < 1:
        raise ValueError(f"{successes} of {total}: expected 0 <= successes <= total and at least one item")


def _cluster_sums(values: Floats, clusters: Sequence[Any] | NDArray[Any] | None) -> tuple[Floats, Floats]:
    """(sum, count) of the values of each cluster, both (units,); without clusters every value is its own."""
    if clusters is None:
        return values, np.ones_like(values)
    if len(clusters) != values.size:
        raise ValueError(f"{len(clusters)} clusters for {values.size} values; expected one per value")
    order: dict[Any, int] = {}  # first appearance, so that equal data in equal order draws equal resamples
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
