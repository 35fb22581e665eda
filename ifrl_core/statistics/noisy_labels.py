"""The AUC behind noisy labels: what a score that is held against them would have against the truth.

Where a score knows no more of a label than the truth does (class-conditional noise),

    AUC against the labels - 0.5 = gap * (AUC - 0.5),    gap = P(true | label 1) - P(true | label 0)

so a perfect score shows 0.61 on labels of gap 0.22. Both sides are estimated, often on the same items: `excess` and `gap`
give each as a whole and without every cluster, so that the interval carries the uncertainty of both and what they share.
Within strata (types) the identity is that of each; sums weigh a stratum by positives * negatives / (positives + negatives).

Sources: Menon et al., Learning from Corrupted Binary Labels via Class-Probability Estimation (ICML 2015); van Elteren, On the
Combination of Independent Two Sample Tests of Wilcoxon (1960), the weights.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifrl_core.statistics.intervals import Floats, student_quantile

Places = NDArray[np.intp]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class Clusters:
    """What is independent: `place` (n,) of each item among `count` of them. Slices of the items keep the count."""

    place: Places
    count: int

    @classmethod
    def of(cls, names: Sequence[Hashable]) -> "Clusters":
        order: dict[Hashable, int] = {}
        return cls(np.array([order.setdefault(name, len(order)) for name in names], dtype=np.intp), len(order))

    def __getitem__(self, chosen: NDArray[Any]) -> "Clusters":
        return Clusters(self.place[chosen], self.count)

    def without(self, values: ArrayLike) -> Floats:
        """(count + 1,): the sum of `values` (n,) without each cluster, and the whole sum last."""
        sums = np.bincount(self.place, weights=np.asarray(values, dtype=np.float64), minlength=self.count)
        return np.append(sums.sum() - sums, sums.sum())


@dataclass(frozen=True)
class Corrected:
    """An estimated AUC in truth: `labels` against the labels, `gap` what they are worth. `auc` is None, and the interval all
    of [0, 1], where the gap is not clear of 0; beyond 1 it says that the identity does not hold."""

    labels: float
    gap: float
    auc: float | None
    low: float
    high: float


def excess(score: ArrayLike, label: ArrayLike, clusters: Clusters, strata: Sequence[Hashable] | None = None) -> Floats:
    """(count + 1,): AUC - 0.5 within strata, without each cluster and as a whole (last); NaN without two classes.

    `score`, `label` (n,), the label 0 or 1; a tie counts half.
    """
    scores, labels = np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.int64)

    def of_stratum(of: Chosen) -> Floats:
        positives, negatives = _sides(labels[of], clusters[of])
        return _share(_wins(scores[of], labels[of], clusters[of]), positives * negatives) - 0.5

    return _weighted(of_stratum, labels, clusters, strata)


def gap(truth: ArrayLike, label: ArrayLike, clusters: Clusters, strata: Sequence[Hashable] | None = None) -> Floats:
    """(count + 1,): share of true items with label 1 minus that with label 0, as `excess` weighs strata."""
    true, labels = np.asarray(truth, dtype=np.float64), np.asarray(label, dtype=np.int64)

    def of_stratum(of: Chosen) -> Floats:
        positives, negatives = _sides(labels[of], clusters[of])
        true_positives, true_negatives = (clusters[of].without((true * (labels == side))[of]) for side in (1, 0))
        return _share(true_positives, positives) - _share(true_negatives, negatives)

    return _weighted(of_stratum, labels, clusters, strata)


def corrected_auc(excess: Floats, gap: Floats, *, further: float = 0.0, level: float = 0.95) -> Corrected:
    """The AUC in truth from `excess` and `gap`, both (count + 1,) over the same clusters; `further`: variance of the gap
    beyond what leaving out clusters shows (it was measured elsewhere). The interval is Fieller's, on count - 1 degrees of
    freedom.

    Source: Fieller, Some Problems in Interval Estimation (JRSS B 16, 1954).
    """
    above, worth = float(excess[-1]), float(gap[-1])
    units = len(gap) - 1
    nothing = Corrected(0.5 + above, worth, None, 0.0, 1.0)
    if units < 2 or not (np.isfinite(excess).all() and np.isfinite(gap).all()):
        return nothing
    jumps = np.stack([excess[:-1] - above, gap[:-1] - worth])
    errors = (1 - 1 / units) * jumps @ jumps.T
    square = student_quantile((1 + level) / 2, units - 1) ** 2
    a = worth**2 - square * (errors[1, 1] + further)
    if worth <= 0 or a <= 0:
        return nothing
    half_b, c = above * worth - square * errors[0, 1], above**2 - square * errors[0, 0]
    reach = max(half_b**2 - a * c, 0.0) ** 0.5
    low, high = ((half_b - reach) / a, (half_b + reach) / a)
    return Corrected(0.5 + above, worth, 0.5 + above / worth, 0.5 + low, 0.5 + high)


def spread(gaps: Sequence[float], errors: Sequence[float]) -> float:
    """Variance of true gaps over strata, from measured ones and their standard errors: what a further stratum may differ by.

    Source: DerSimonian and Laird, Meta-Analysis in Clinical Trials (Controlled Clinical Trials 7, 1986).
    """
    weights = 1 / np.asarray(errors, dtype=np.float64) ** 2
    values = np.asarray(gaps, dtype=np.float64)
    if len(values) < 2:
        return 0.0
    mean = (weights * values).sum() / weights.sum()
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    return float(max(0.0, ((weights * (values - mean) ** 2).sum() - (len(values) - 1)) / scale))


def _sides(labels: NDArray[Any], clusters: Clusters) -> tuple[Floats, Floats]:
    """Positives and negatives, (count + 1,) each."""
    return clusters.without(labels), clusters.without(1 - labels)


def _weighted(
    value_of: Callable[[Chosen], Floats], labels: NDArray[Any], clusters: Clusters, strata: Sequence[Hashable] | None
) -> Floats:
    """Mean over strata of what `value_of` gives of each, (count + 1,)."""
    codes = Clusters.of(strata if strata is not None else [0] * len(labels))
    total, of_all = np.zeros(clusters.count + 1), np.zeros(clusters.count + 1)
    for stratum in range(codes.count):
        of = codes.place == stratum
        positives, negatives = _sides(labels[of], clusters[of])
        weight = _share(positives * negatives, positives + negatives)
        total += weight
        of_all += weight * value_of(of)
    return np.divide(of_all, total, out=np.full_like(total, np.nan), where=total > 0)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _wins(scores: Floats, labels: NDArray[Any], clusters: Clusters) -> Floats:
    """(count + 1,): pairs of a positive and a negative that the scores order right, ties by half, without each cluster."""
    positive = labels == 1
    high, low = scores[positive], scores[~positive]
    above, below = _beaten(high, low), len(high) - _beaten(low, high)
    lost = np.zeros(clusters.count)
    np.add.at(lost, clusters.place[positive], above)
    np.add.at(lost, clusters.place[~positive], below)
    order = np.argsort(clusters.place, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(clusters.place[order])) + 1):  # both sides counted pairs within
        lost[clusters.place[own[:1]]] -= _beaten(scores[own][positive[own]], scores[own][~positive[own]]).sum()
    return np.append(above.sum() - lost, above.sum())


def _beaten(scores: Floats, others: Floats) -> Floats:
    """How many of `others` lie below each score, ties by half."""
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    places: Floats = np.asarray(below + upto, dtype=np.float64)
    places *= 0.5
    return places
