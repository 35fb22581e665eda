"""From the scores of an answer's constraints to one number in [0, 1]: the ways that a recipe can choose.

mean         of all parts (the paper)
all          1 when every hard part is 1 and every soft one at least a half, else 0
weighted     mean by weights of types
reliability  mean where a soft type counts as much as its scores can be believed (measured AUC of the RM)
ordered      mean where each further constraint counts `decay` times the one before: the first ones matter most
conditional  mean of prefix products: a constraint counts only as far as those before it are satisfied

Weights come with the constraints, so that this module knows arithmetic alone. An unscored part makes the whole unscored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from operator import mul
from statistics import fmean
from typing import Any, Literal

from ifrl_core.records import Constraint

Aggregation = Literal["mean", "all", "weighted", "reliability", "ordered", "conditional"]
Parts = Sequence[float]
HALF = 0.5


def aggregate(
    parts: Sequence[float | None],
    constraints: Sequence[Constraint],
    how: Aggregation = "mean",
    *,
    weights: Mapping[str, float] | None = None,
    decay: float = 0.8,
) -> float | None:
    """One number for the parts (each in [0, 1] or None) of one answer; None when a part that counts is unscored.

    `weights` by type (1 where absent) serve weighted and reliability; a part of weight 0 need not be scored. When nothing
    has a weight there is nothing to tell answers apart by: all of them earn 0, and teach nothing.
    """
    if how in ("weighted", "reliability"):
        type_weights = [(weights or {}).get(constraint.type, 1.0) for constraint in constraints]
        counted = [(part, weight) for part, weight in zip(parts, type_weights, strict=True) if weight > 0]
        if any(part is None for part, _ in counted):
            return None
        if not counted:
            return 0.0
        return sum((part or 0.0) * weight for part, weight in counted) / sum(weight for _, weight in counted)
    scored = [part for part in parts if part is not None]
    if len(scored) < len(parts):
        return None
    return _HOW[how](scored, constraints, decay)


def reliability_weights(figures: Mapping[str, Any], soft_types: Iterable[str] = ()) -> dict[str, float]:
    """Weight of every soft type from the reward model's figures: 2 AUC - 1 against validation labels, at least 0.
    `soft_types`: those that prompts have, of which validation may have seen none.

    A type with too few validation pairs of both labels, or none, takes the pooled figure; rules are believed (weight 1).
    """
    soft = figures["soft"]
    pooled = _believed(soft["auc"])
    known = {
        name: _believed(row["auc"])
        for name, row in soft["by_type"].items()
        if row["auc"] is not None and row["n"] >= _ENOUGH
    }
    return {name: known.get(name, pooled) for name in (*soft["by_type"], *soft_types)}


_ENOUGH = 20


def _believed(auc: float | None) -> float:
    return 0.0 if auc is None else max(0.0, 2 * auc - 1)


def _all(parts: Parts, constraints: Sequence[Constraint], decay: float) -> float:
    needed = [1.0 if constraint.kind == "hard" else HALF for constraint in constraints]
    return float(all(part >= least for part, least in zip(parts, needed, strict=True)))


def _ordered(parts: Parts, constraints: Sequence[Constraint], decay: float) -> float:
    weights = [decay**place for place in range(len(parts))]
    return sum(part * weight for part, weight in zip(parts, weights, strict=True)) / sum(weights)


def _conditional(parts: Parts, constraints: Sequence[Constraint], decay: float) -> float:
    return fmean(accumulate(parts, mul))


_HOW: dict[str, Callable[[Parts, Sequence[Constraint], float], float]] = {
    "mean": lambda parts, constraints, decay: fmean(parts),
    "all": _all,
    "ordered": _ordered,
    "conditional": _conditional,
}
