"""How good the reward model's probabilities are on held-out instructions, against rules and against pseudo-labels.

Pooled ranking flatters: types differ in base rate, so knowing the type alone ranks pairs. The mean of the AUC within types
stands beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ifrl_core.evaluation.statistics import auc, expected_calibration_error, kendall_tau
from ifrl_core.stage import Figures


@dataclass(frozen=True)
class Scored:
    """A validation pair with its probability; `verdict` is None where no rule applies, `probability` where unscored."""

    label_id: str
    type: str
    kind: str
    level: int
    label: int
    verdict: bool | None
    probability: float | None
    raw_probability: float | None = None


def raw_calibration_error(pairs: Sequence[Scored]) -> float | None:
    """Expected calibration error of the probabilities before calibration, on hard constraints against rules."""
    known = [
        (p.raw_probability, int(p.verdict)) for p in pairs if p.verdict is not None and p.raw_probability is not None
    ]
    return expected_calibration_error([p for p, _ in known], [v for _, v in known]) if known else None


def quality(pairs: Sequence[Scored]) -> Figures:
    """`hard`: against rules; `soft` and `hard_labels`: against pseudo-labels; `unscored`: pairs left out of all three."""
    scored = [pair for pair in pairs if pair.probability is not None]
    hard = [pair for pair in scored if pair.verdict is not None]
    return {
        "hard": _quality(hard, lambda pair: int(bool(pair.verdict))),
        "soft": _quality([pair for pair in scored if pair.kind == "soft"], lambda pair: pair.label),
        "hard_labels": _quality(hard, lambda pair: pair.label),
        "unscored": len(pairs) - len(scored),
    }


def _quality(pairs: Sequence[Scored], truth: Callable[[Scored], int]) -> Figures:
    types = sorted({pair.type for pair in pairs})
    by_type = {name: _figures([pair for pair in pairs if pair.type == name], truth) for name in types}
    within = [row["auc"] for row in by_type.values() if row["auc"] is not None]
    return {
        **_figures(pairs, truth),
        "auc_within_types": fmean(within) if within else None,
        "types_with_auc": len(within),
        "by_type": by_type,
    }


def _figures(pairs: Sequence[Scored], truth: Callable[[Scored], int]) -> dict[str, Any]:
    """Of one group; None is undefined (no pairs, or one class only), never zero. Accuracy is at probability 0.5."""
    probability = [pair.probability or 0.0 for pair in pairs]
    label = [truth(pair) for pair in pairs]
    if not pairs:
        return {"n": 0, "base_rate": None, "auc": None, "accuracy": None, "ece": None, "kendall_tau": None}
    return {
        "n": len(pairs),
        "base_rate": fmean(label),
        "auc": auc(probability, label),
        "accuracy": fmean(int(p >= 0.5) == y for p, y in zip(probability, label, strict=True)),
        "ece": expected_calibration_error(probability, label),
        "kendall_tau": kendall_tau(probability, label),
    }
