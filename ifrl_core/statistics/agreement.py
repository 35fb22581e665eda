"""Agreement figures: how good a probability or a ranking is, measured against the truth.

Functions take plain arrays (n,) of finite values; unscored items are left out, and counted, by the caller. None is undefined,
never zero. The figures are those of scipy and sklearn, which are imported when first used.
"""

import numpy as np
from numpy.typing import ArrayLike

from ifrl_core.statistics.intervals import Floats, finite


def kendall_tau(a: ArrayLike, b: ArrayLike) -> float | None:
    """Kendall's tau-b of two rankings (n,), ties allowed; None when one of them is constant (no order to agree on).

    Source: Kendall, The Treatment of Ties in Ranking Problems (Biometrika 33, 1945).
    """
    from scipy.stats import kendalltau

    first, second = finite(a, "a"), finite(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has shape {first.shape} and b {second.shape}; expected the same items in both")
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(kendalltau(first, second, variant="b").statistic)


def auc(score: ArrayLike, label: ArrayLike) -> float | None:
    """Chance that a positive gets a higher score than a negative (a tie counts half); None unless both classes occur.

    Source: Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve (Radiology 143, 1982).
    """
    from sklearn.metrics import roc_auc_score

    scores, labels = _scores_and_labels(score, label)
    return float(roc_auc_score(labels, scores)) if _both_classes(labels) else None


def roc_points(score: ArrayLike, label: ArrayLike) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) at falling thresholds, (0, 0) to (1, 1); empty unless both classes occur.

    Points on a straight line between others are left out. Source: Fawcett, An Introduction to ROC Analysis (2006).
    """
    from sklearn.metrics import roc_curve

    scores, labels = _scores_and_labels(score, label)
    if not _both_classes(labels):
        return []
    false_positive, true_positive, _ = roc_curve(labels, scores)
    return list(zip(false_positive.tolist(), true_positive.tolist(), strict=True))


def f1_score(predicted: ArrayLike, label: ArrayLike) -> float | None:
    """Harmonic mean of precision and recall; None when nothing is positive on either side.

    `predicted`, `label`: (n,) in {0, 1}. It leaves true negatives out, so that it depends on which class is called positive.
    Source: van Rijsbergen, Information Retrieval (1979), ch. 7.
    """
    from sklearn.metrics import f1_score as of_classes

    predictions, labels = _scores_and_labels(_labels(predicted), label)
    return float(of_classes(labels, predictions)) if predictions.any() or labels.any() else None


def reliability_bins(prob: ArrayLike, label: ArrayLike, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean stated probability, observed share, count) of each bin that holds anything.

    `bins` are of equal width on [0, 1]; a probability on an inner edge belongs to the upper bin. `prob` (n,) in [0, 1],
    `label` (n,) in {0, 1}. sklearn's calibration_curve gives no counts, and puts an edge, such as 0.5 (undecided), into the
    bin below. Source: Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning (ICML 2005).
    """
    stated, observed = _scores_and_labels(prob, label)
    if stated.size and (stated.min() < 0 or stated.max() > 1):
        raise ValueError("prob holds values outside [0, 1]")
    edges = np.arange(bins + 1) / bins
    count, _ = np.histogram(stated, edges)
    mean_stated, share = (
        np.histogram(stated, edges, weights=of)[0] / np.maximum(count, 1) for of in (stated, observed)
    )
    rows = zip(mean_stated.tolist(), share.tolist(), count.tolist(), strict=True)
    return [row for row in rows if row[2]]


def expected_calibration_error(prob: ArrayLike, label: ArrayLike, bins: int = 10) -> float | None:
    """Mean gap between stated probability and observed share over `reliability_bins`; 0 is perfect, None without items.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015), binary form.
    """
    rows = reliability_bins(prob, label, bins)
    total = sum(count for _, _, count in rows)
    return sum(count * abs(stated - observed) for stated, observed, count in rows) / total if total else None


def _scores_and_labels(score: ArrayLike, label: ArrayLike) -> tuple[Floats, Floats]:
    scores, labels = finite(score, "score"), _labels(label)
    if scores.shape != labels.shape:
        raise ValueError(f"score has shape {scores.shape} and label {labels.shape}; expected one label for each")
    return scores, labels


def _labels(label: ArrayLike) -> Floats:
    labels = finite(label, "label")
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("label holds values other than 0 and 1")
    return labels


def _both_classes(labels: Floats) -> bool:
    return bool(0 < labels.sum() < labels.size)
