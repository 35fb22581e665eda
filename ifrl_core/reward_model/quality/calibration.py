"""Platt scaling of the reward model's logits by the rules (Platt 1999), with figures from parts it was not fitted on.

Rules judge only hard constraints; that the same scale serves soft ones is an assumption, since nothing but a reader can
check it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ifrl_core.statistics.by_hash import rank_by_hash

FOLDS = 5
FEWEST = 20  # pairs with a verdict, of both kinds at least 5, below which nothing is fitted
_CERTAIN = 1e-6


@dataclass(frozen=True)
class Calibration:
    """The calibrated logit is scale * logit + bias; scale is positive, so that no ranking changes."""

    scale: float = 1.0
    bias: float = 0.0

    def apply(self, probability: float) -> float:
        logit = self.scale * _logit(probability) + self.bias
        return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def fit(probabilities: Sequence[float], verdicts: Sequence[bool]) -> Calibration | None:
    """The scaling under which the verdicts are likeliest; None when too few, or when the model ranks them backwards."""
    from sklearn.linear_model import LogisticRegression

    if len(verdicts) < FEWEST or min(sum(verdicts), len(verdicts) - sum(verdicts)) < 5:
        return None
    logits = np.array([[_logit(p)] for p in probabilities])
    fitted = LogisticRegression(C=1e6).fit(logits, np.array(verdicts, dtype=int))
    scale, bias = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(scale, bias) if scale > 0 else None


def cross_fitted(
    probabilities: Sequence[float | None], verdicts: Sequence[bool | None], groups: Sequence[str]
) -> list[float | None]:
    """Each probability scaled by what the other groups say; `groups` are instructions, which stay whole.

    Where the other part cannot be fitted, probabilities stay as they are.
    """
    folds = [_fold(group) for group in groups]
    scaled: list[float | None] = list(probabilities)
    for fold in range(FOLDS):
        others = [i for i, of in enumerate(folds) if of != fold and verdicts[i] is not None]
        scored = [(p, bool(verdicts[i])) for i in others if (p := probabilities[i]) is not None]
        scaling = fit([p for p, _ in scored], [v for _, v in scored])
        if scaling is None:
            continue
        for i, of in enumerate(folds):
            if of == fold and (p := probabilities[i]) is not None:
                scaled[i] = scaling.apply(p)
    return scaled


def log_loss(probabilities: Sequence[float], verdicts: Sequence[bool]) -> float:
    """Mean negative log-likelihood of the verdicts, in nats."""
    logits = [_logit(p) if verdict else -_logit(p) for p, verdict in zip(probabilities, verdicts, strict=True)]
    return fmean(math.log1p(math.exp(-logit)) for logit in logits)


def _fold(group: str) -> int:
    return rank_by_hash("calibration", group)[0] % FOLDS


def _logit(probability: float) -> float:
    p = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(p / (1 - p))
