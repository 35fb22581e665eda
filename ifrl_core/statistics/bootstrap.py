"""The bootstrap over clusters: intervals of means that are made of groups, and of the difference of two on the same clusters.

Values become sums and counts by cluster and group. A resample draws as many clusters as there are, with replacement; its
statistic is made of their sums and counts, so that clusters of any size weigh as they do in the mean. The resamples of a
number of clusters are always the same ones: equal values give equal intervals, and two models are drawn alike.

Sources: Efron, Better Bootstrap Confidence Intervals (JASA 82, 1987): the bias-corrected and accelerated interval (BCa);
Davison and Hinkley, Bootstrap Methods and their Application (1997), ch. 3.8: whole clusters; Hanley and Lippman-Hand (JAMA
249, 1983): what no cluster shows, as in `intervals`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifrl_core.statistics.intervals import Floats, finite

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 20_251_114
_BLOCK = 256  # resamples at a time
_DIGITS = 12  # beyond them a sum differs by the order of its parts
Combine = Callable[[Floats, Floats], Floats]  # sums and counts, (..., groups) each, to statistics (...)


@dataclass(frozen=True)
class Mean:
    """A mean and its interval, None where a single cluster tells of none."""

    mean: float
    low: float | None
    high: float | None
    clusters: int


@dataclass(frozen=True)
class Clustered:
    """Sums and counts of values, (clusters, groups) each."""

    sums: Floats
    counts: Floats


def clustered(values: ArrayLike, clusters: Sequence[Hashable], groups: Sequence[Hashable] | None = None) -> Clustered:
    """`values`, `clusters`, `groups`: (n,), n above 0. Values that share clusters and groups in their order share its rows
    and columns, whatever they are.

    Raises:
        ValueError: for nothing, for values that are not finite, or when the lengths differ.
    """
    flat = finite(values, "values")
    if not flat.size:
        raise ValueError("values is empty: a mean of nothing is undefined")
    row, column = _places(clusters), _places(groups if groups is not None else [0] * flat.size)
    if len(row) != flat.size or len(column) != flat.size:
        raise ValueError(f"{len(row)} clusters and {len(column)} groups for {flat.size} values; expected one a value")
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    place = row * shape[1] + column
    sums, counts = (
        np.bincount(place, weights=of, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
        for of in (flat, np.ones(flat.size))
    )
    return Clustered(sums, counts)


def pooled(sums: Floats, counts: Floats) -> Floats:
    """The mean of all values."""
    total: Floats = sums.sum(-1) / counts.sum(-1)
    return total


def over_groups(sums: Floats, counts: Floats) -> Floats:
    """The plain mean of the groups' means; a group that a resample has nothing of is left out of its mean."""
    known = counts > 0
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=known)
    mean: Floats = means.sum(-1) / known.sum(-1)
    return mean


def harmonic_percent(sums: Floats, counts: Floats) -> Floats:
    """BBEH's: the harmonic mean over groups of their shares in per cent plus one, as a share."""
    known = counts > 0
    percent = 100 * np.divide(sums, counts, out=np.zeros_like(sums), where=known) + 1
    mean: Floats = known.sum(-1) / np.where(known, 1 / percent, 0.0).sum(-1) / 100
    return mean


def bootstrap_mean(
    of: Clustered, combine: Combine = pooled, *, bounds: tuple[float, float] | None = None, level: float = LEVEL
) -> Mean:
    """A mean with its interval.

    `bounds`: the least and the largest that a value can be. Where every cluster is at one of them, the share of clusters
    that are not, p, would be missed with probability (1 - p)^clusters: the interval reaches as far as this p could bring it.
    """
    found = _interval([of], lambda means: means[0], combine, level)
    if bounds is None or found.low is None or found.high is None:
        return found
    low, high = found.low, found.high
    unseen = _unseen(found.clusters, level) * (bounds[1] - bounds[0])
    means = pooled(of.sums, of.counts)
    if np.all(means == bounds[0]):
        high = max(high, low + unseen)
    if np.all(means == bounds[1]):
        low = min(low, high - unseen)
    return Mean(found.mean, low, high, found.clusters)


def bootstrap_difference(
    before: Clustered,
    after: Clustered,
    combine: Combine = pooled,
    *,
    reach: float | None = None,
    level: float = LEVEL,
) -> Mean:
    """After minus before, on the same clusters in the same order, resampled together.

    `reach`: the furthest that a difference can be from 0. When no cluster fell (or rose), that end lies as far out as what
    was not seen could bring the mean, as in `Estimate.interval`.

    Raises:
        ValueError: when the two hold other clusters.
    """
    if len(before.sums) != len(after.sums):
        raise ValueError(f"{len(before.sums)} clusters before and {len(after.sums)} after; expected the same")

    found = _interval([before, after], lambda means: means[1] - means[0], combine, level)
    if reach is None or found.low is None or found.high is None:
        return found
    change = np.round(pooled(after.sums, after.counts) - pooled(before.sums, before.counts), _DIGITS)
    unseen = _unseen(found.clusters, level)
    low = found.low if (change < 0).any() else min(found.low, found.mean - unseen * (found.mean + reach))
    high = found.high if (change > 0).any() else max(found.high, found.mean + unseen * (reach - found.mean))
    return Mean(found.mean, max(-reach, low), min(reach, high), found.clusters)


def _interval(
    tables: Sequence[Clustered], statistic: Callable[[Sequence[Floats]], Floats], combine: Combine, level: float
) -> Mean:
    """BCa of a `statistic` of the tables' means, which share their clusters."""
    from scipy.special import ndtr, ndtri

    clusters = len(tables[0].sums)
    mean = float(statistic([combine(of.sums.sum(0), of.counts.sum(0)) for of in tables]))
    if clusters < 2:
        return Mean(mean, None, None, clusters)
    weights = _resamples(clusters)
    blocks = [weights[start : start + _BLOCK].astype(np.float64) for start in range(0, len(weights), _BLOCK)]
    resampled = [statistic([combine(block @ of.sums, block @ of.counts) for of in tables]) for block in blocks]
    drawn, place = np.round(np.concatenate(resampled), _DIGITS), round(mean, _DIGITS)
    if np.ptp(drawn) == 0:
        return Mean(mean, mean, mean, clusters)
    without = statistic([combine(of.sums.sum(0) - of.sums, of.counts.sum(0) - of.counts) for of in tables])
    below = ((drawn < place).mean() + (drawn <= place).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES))
    tails = ndtri([(1 - level) / 2, (1 + level) / 2]) + bias
    low, high = np.quantile(drawn, ndtr(bias + tails / (1 - _acceleration(without) * tails)))
    return Mean(mean, min(mean, float(low)), max(mean, float(high)), clusters)


def _acceleration(without: Floats) -> float:
    """A sixth of the skewness of what leaving out each cluster changes; `without` (clusters,): the statistic without it."""
    jumps = np.round(without.mean() - without, _DIGITS)
    squares = float((jumps**2).sum())
    return float((jumps**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


@lru_cache(maxsize=4)
def _resamples(clusters: int) -> NDArray[np.uint16]:
    """How often each cluster is in each resample: (RESAMPLES, clusters)."""
    source = np.random.default_rng(_SEED)
    weights = np.empty((RESAMPLES, clusters), dtype=np.uint16)
    for start in range(0, RESAMPLES, _BLOCK):
        block = weights[start : start + _BLOCK]
        drawn = source.integers(clusters, size=block.shape) + clusters * np.arange(len(block))[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return weights


def _unseen(clusters: int, level: float) -> float:
    return float(1 - ((1 - level) / 2) ** (1 / clusters))


def _places(names: Sequence[Hashable]) -> NDArray[np.intp]:
    order: dict[Hashable, int] = {}
    return np.array([order.setdefault(name, len(order)) for name in names], dtype=np.intp)
