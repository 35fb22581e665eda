"""Intervals and agreement figures: what a difference is worth, and how good a probability is.

All functions take plain arrays, keep no state and leave the global random generator alone. Values must be finite:
unscored items are left out, and counted, by the caller. Empty input is the caller's mistake and raises ValueError,
except where None (undefined) is a documented answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import roc_curve

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
    first, second = _finite(before, "before"), _finite(after, "after")
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
    flat = _finite(values, "values")
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
    """Share `p = successes / total` of independent yes/no items with Wilson's score interval.

    `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`, z the normal quantile of (1 + level) / 2. Unlike the bootstrap
    it keeps its coverage for shares near 0 and 1. Source: Wilson, Probable Inference (JASA 22, 1927).
    """
    if not 0 <= successes <= total or total < 1:
        raise ValueError(f"{successes} of {total}: expected 0 <= successes <= total and at least one item")
    z = float(stats.norm.ppf((1 + level) / 2))
    share, spread = successes / total, z * z / total
    middle = share + spread / 2
    half = z * np.sqrt(share * (1 - share) / total + spread / (4 * total))
    # The exact bounds at 0 and 1 are 0 and 1; rounding would leave them a hair off.
    low = 0.0 if successes == 0 else float((middle - half) / (1 + spread))
    high = 1.0 if successes == total else float((middle + half) / (1 + spread))
    return Interval(share, low, high, total)


def difference_of_shares(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> Interval:
    """`p1 - p2` of two independent (successes, total), with Newcombe's hybrid score interval.

    `d - √((p1 - l1)² + (u2 - p2)²)` to `d + √((u1 - p1)² + (p2 - l2)²)`, (l, u) the Wilson interval of each share. Like
    Wilson's it keeps its coverage for few items and shares near 0 and 1. Source: Newcombe, Interval Estimation for the
    Difference between Independent Proportions (Statistics in Medicine 17, 1998), method 10.
    """
    a, b = wilson(*first, level), wilson(*second, level)
    difference = a.mean - b.mean
    low = difference - np.hypot(a.mean - a.low, b.high - b.mean)
    high = difference + np.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(difference, float(low), float(high), a.units + b.units)


def kendall_tau(a: ArrayLike, b: ArrayLike) -> float | None:
    """Kendall's tau-b of two rankings (n,), ties allowed; None when one of them is constant (no order to agree on).

    `(P - Q) / √((P + Q + T_a)(P + Q + T_b))`, P and Q the concordant and discordant pairs, T_x those tied in x alone.
    Source: Kendall, The Treatment of Ties in Ranking Problems (Biometrika 33, 1945).
    """
    first, second = _finite(a, "a"), _finite(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has shape {first.shape} and b {second.shape}; expected the same items in both")
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.kendalltau(first, second, variant="b").statistic)


def expected_calibration_error(prob: ArrayLike, label: ArrayLike, bins: int = 10) -> float | None:
    """Mean gap between stated probability and observed share; 0 is perfect, None when there is nothing to judge.

    `sum_b (n_b / n) |share of positives in b - mean probability in b|` over `bins` bins of equal width on [0, 1]; a
    probability on an inner edge belongs to the upper bin. `prob` (n,) in [0, 1], `label` (n,) in {0, 1}.
    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015), binary form.
    """
    stated, observed = _probabilities(prob, label)
    if stated.size == 0:
        return None
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=observed - stated, minlength=bins)
    return float(np.abs(gap).sum() / stated.size)


def auc(prob: ArrayLike, label: ArrayLike) -> float | None:
    """Chance that a positive gets a higher score than a negative (a tie counts half); None unless both classes occur.

    `(R - p(p+1)/2) / (p q)`, R the sum of the mid-ranks of the p positives among all, q the number of negatives.
    Source: Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve (Radiology 143, 1982).
    """
    scores, labels = _finite(prob, "prob"), _labels(label)
    if scores.shape != labels.shape:
        raise ValueError(f"prob has shape {scores.shape} and label {labels.shape}; expected one label per score")
    positives = int(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        return None
    rank_sum = float(stats.rankdata(scores)[labels == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def f1_score(said: ArrayLike, label: ArrayLike) -> float | None:
    """Harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`; None when nothing is positive on either side.

    `said`, `label`: (n,) in {0, 1}. It leaves true negatives out, so that it depends on which class is called positive.
    Source: van Rijsbergen, Information Retrieval (1979), ch. 7.
    """
    first, second = _labels(said), _labels(label)
    if first.shape != second.shape:
        raise ValueError(f"said has shape {first.shape} and label {second.shape}; expected one label for each")
    positives = float(first.sum() + second.sum())
    return 2 * float((first * second).sum()) / positives if positives else None


def roc_points(prob: ArrayLike, label: ArrayLike) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) at falling thresholds, (0, 0) to (1, 1); empty unless both classes occur.

    Points on a straight line between others are left out. Source: Fawcett, An Introduction to ROC Analysis (2006).
    """
    scores, labels = _finite(prob, "prob"), _labels(label)
    if not 0 < labels.sum() < labels.size:
        return []
    false_positive, true_positive, _ = roc_curve(labels, scores)
    return list(zip(false_positive.tolist(), true_positive.tolist(), strict=True))


def reliability_bins(prob: ArrayLike, label: ArrayLike, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean stated probability, observed share, count) of each bin that holds anything; bins as in the calibration error.

    Source: Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning (ICML 2005).
    """
    stated, observed = _probabilities(prob, label)
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    held = [(place == index) for index in np.unique(place)]
    return [(float(stated[of].mean()), float(observed[of].mean()), int(of.sum())) for of in held]


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


def _finite(values: ArrayLike, name: str) -> Floats:
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim != 1:
        raise ValueError(f"{name} has shape {flat.shape}; expected one dimension")
    if not np.isfinite(flat).all():
        raise ValueError(f"{name} holds NaN or infinity: leave unscored items out before, and count them")
    return flat


def _labels(label: ArrayLike) -> Floats:
    labels = _finite(label, "label")
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("label holds values other than 0 and 1")
    return labels


def _probabilities(prob: ArrayLike, label: ArrayLike) -> tuple[Floats, Floats]:
    stated, observed = _finite(prob, "prob"), _labels(label)
    if stated.shape != observed.shape:
        raise ValueError(f"prob has shape {stated.shape} and label {observed.shape}; expected one label for each")
    if stated.size and (stated.min() < 0 or stated.max() > 1):
        raise ValueError("prob holds values outside [0, 1]")
    return stated, observed
