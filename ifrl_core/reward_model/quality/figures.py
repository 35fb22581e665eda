"""How good the reward model's probabilities are on validation pairs, against rules and against pseudo-labels.

Pooled ranking flatters: types differ in base rate, so knowing the type alone ranks pairs. The mean of the AUC within types
stands beside it, and position consistency, which compares answers to one constraint only.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np

from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.agreement import auc, expected_calibration_error, f1_score, kendall_tau


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
    instruction_id: str = ""
    rung: int | None = None  # of the answer; None in tables without it

    @property
    def rank(self) -> float:
        """What pairs are ordered by: the probability before calibration, where known. The model in use scales all pairs
        alike, which changes no order; cross-fitted probabilities are scaled fold by fold, which would."""
        return (self.raw_probability if self.raw_probability is not None else self.probability) or 0.0


Truth = Callable[[Scored], int]
BREAKDOWNS: Mapping[str, Callable[[Scored], str]] = {
    "by_type": lambda pair: pair.type,
    "by_kind": lambda pair: pair.type.partition(":")[0],  # as in label_audit: the part of a type before the colon
    "by_level": lambda pair: str(pair.level),
}


def raw_calibration_error(pairs: Sequence[Scored]) -> float | None:
    """Expected calibration error of the probabilities before calibration, on hard constraints against rules."""
    judged = [
        (p.raw_probability, int(p.verdict)) for p in pairs if p.verdict is not None and p.raw_probability is not None
    ]
    return expected_calibration_error([p for p, _ in judged], [v for _, v in judged]) if judged else None


def quality(pairs: Sequence[Scored]) -> Figures:
    """`hard`: against rules; `soft` and `hard_labels`: against pseudo-labels; `unscored`: pairs left out of all three."""
    scored = [pair for pair in pairs if pair.probability is not None]
    hard = [pair for pair in scored if pair.verdict is not None]
    return {
        "hard": _quality(hard, _verdict),
        "soft": _quality([pair for pair in scored if pair.kind == "soft"], _label),
        "hard_labels": _quality(hard, _label),
        "unscored": len(pairs) - len(scored),
    }


def against_rules(pairs: Sequence[Scored]) -> Figures:
    """The figures of scored pairs with a verdict, pooled and within types: a line of a table of scorers."""
    return _pooled(pairs, _verdict, _parts(pairs, "by_type", _verdict))


def summary_figures(part: Figures) -> Figures:
    """A part of `quality` without its breakdowns."""
    return {key: value for key, value in part.items() if key not in BREAKDOWNS}


def position_orders(pairs: Sequence[Scored], truth: Truth) -> list[int]:
    """How each contrast is ordered: 1 as the truth has it, -1 the other way, 0 tied.

    A contrast is two answers to one constraint of one instruction (instruction and level name it), the truth of one 1 and
    of the other 0. The share of 1s is the position consistency of label_grade (the paper's), for a scorer that sees one
    answer at a time.
    """
    groups: dict[Hashable, tuple[list[float], list[float]]] = {}
    for pair in pairs:
        sides = groups.setdefault((pair.instruction_id, pair.level, pair.type), ([], []))
        sides[truth(pair)].append(pair.rank)
    return [
        int(np.sign(high - low)) for negative, positive in groups.values() for low, high in product(negative, positive)
    ]


def _verdict(pair: Scored) -> int:
    return int(bool(pair.verdict))


def _label(pair: Scored) -> int:
    return pair.label


def _quality(pairs: Sequence[Scored], truth: Truth) -> Figures:
    parts = {name: _parts(pairs, name, truth) for name in BREAKDOWNS}
    return {**_pooled(pairs, truth, parts["by_type"]), **parts}


def _pooled(pairs: Sequence[Scored], truth: Truth, by_type: Mapping[str, Figures]) -> Figures:
    within = [row["auc"] for row in by_type.values() if row["auc"] is not None]
    return {
        **_figures(pairs, truth),
        "auc_within_types": fmean(within) if within else None,
        "types_with_auc": len(within),
    }


def _parts(pairs: Sequence[Scored], breakdown: str, truth: Truth) -> dict[str, Figures]:
    return {name: _figures(part, truth) for name, part in _grouped(pairs, BREAKDOWNS[breakdown])}


def _grouped(pairs: Sequence[Scored], name_of: Callable[[Scored], str]) -> Iterator[tuple[str, list[Scored]]]:
    names = sorted({name_of(pair) for pair in pairs})
    for name in names:
        yield name, [pair for pair in pairs if name_of(pair) == name]


def _figures(pairs: Sequence[Scored], truth: Truth) -> dict[str, Any]:
    """Of one group; None is undefined (no pairs, or one class only), never zero. Accuracy and F1 are at probability 0.5.

    `contrasts`: how many `position_consistency` (share ordered as the truth has it; a tie is not) rests on.
    """
    probability, ranks = [pair.probability or 0.0 for pair in pairs], [pair.rank for pair in pairs]
    label = [truth(pair) for pair in pairs]
    predicted = [int(p >= 0.5) for p in probability]
    orders = position_orders(pairs, truth)
    return {
        "n": len(pairs),
        "base_rate": fmean(label) if pairs else None,
        "auc": auc(ranks, label),
        "accuracy": fmean(a == b for a, b in zip(predicted, label, strict=True)) if pairs else None,
        "f1": f1_score(predicted, label),
        "ece": expected_calibration_error(probability, label),
        "kendall_tau": kendall_tau(ranks, label),
        "contrasts": len(orders),
        "position_consistency": fmean(order == 1 for order in orders) if orders else None,
    }
