"""The audit of pseudo-labels that needs no people: on hard constraints a rule knows the truth.

Positives and negatives are kept apart throughout, because their noise differs; a share is {"agree", "total", "rate", "low",
"high"} with a 95% Wilson interval, its rate None when there is nothing to count. Labels of one ladder share answers, so the
intervals are somewhat too narrow for few ladders.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.statistics.intervals import difference_of_shares, jackknife, wilson

LENGTHS = (20, 50, 100, 200)  # words at which a length bucket ends
FEWEST = 10  # labels of one side that a hard type needs before it says something about other types
Figures = dict[str, Any]


class Cell(NamedTuple):
    """What the audit knows of a label; labels that are alike in all of it are counted together."""

    type: str
    level: int
    label: int  # 1 positive, 0 negative
    verdict: bool | None  # None: soft, no rule
    length: str  # bucket of the answer's words
    sample: int


class Outcome(NamedTuple):
    """All that agreement needs of a label."""

    label: int
    verdict: bool | None


Counts = Mapping[Cell, int]
Outcomes = Mapping[Cell, int] | Mapping[Outcome, int]


def cell_of(row: Mapping[str, Any], sample: int) -> Cell:
    """The cell of a row of the labels table."""
    words = length_bucket(row["response"])
    return Cell(row["constraint"]["type"], row["level"], row["label"], row["verdict"], words, sample)


def agreement_by_type(counts: Counts) -> Figures:
    """Agreement with rules overall and by type. Of the trained labels alone it may be used in training: the labels that the
    reward model is measured on had no part in it."""
    hard = {cell: n for cell, n in counts.items() if cell.verdict is not None}
    by_type = by_field(hard, "type")
    return {"overall": agreement(hard), "by_type": {name: agreement(part) for name, part in by_type.items()}}


def length_bucket(answer: str) -> str:
    """The bucket's name: 0-19, 20-49, ... or 200+ words (constraints/verifiers/scripts.py)."""
    words, low = count_words(answer), 0
    for high in LENGTHS:
        if words < high:
            return f"{low}-{high - 1}"
        low = high
    return f"{low}+"


def audit_figures(counts: Counts) -> Figures:
    """Agreement of the audited labels with rules overall, by type, level, answer length and sample; confusion; contrast; soft
    estimates.

    `agreement` is the share of hard labels that equal the verdict. `confusion` says the same the other way round:
    positives that fail their rule and negatives that pass it by chance. `contrast` of a type is the pass rate of its
    positives minus that of its negatives, in [-1, 1], with Newcombe's interval: what the labels are worth.
    """
    hard = {cell: n for cell, n in counts.items() if cell.verdict is not None}
    soft = {cell: n for cell, n in counts.items() if cell.verdict is None}
    by_type = by_field(hard, "type")
    return {
        "overall": agreement(hard),
        "by_type": {name: {**agreement(part), "contrast": contrast(part)} for name, part in by_type.items()},
        "by_level": {str(level): agreement(part) for level, part in by_field(hard, "level").items()},
        "by_length": {name: agreement(part) for name, part in _by_length(hard)},
        "by_sample": {str(sample): agreement(part) for sample, part in by_field(hard, "sample").items()},
        "confusion": confusion(hard),
        "soft": soft_estimates(soft, hard),
    }


def agreement(counts: Outcomes) -> Figures:
    """Shares of labels that equal their verdict: all, positives, negatives. Soft labels are left out."""

    def side(labels: tuple[int, ...]) -> Figures:
        hard = {cell: n for cell, n in counts.items() if cell.label in labels and cell.verdict is not None}
        return share_of(sum(n for cell, n in hard.items() if cell.label == int(bool(cell.verdict))), sum(hard.values()))

    return {"agreement": side((0, 1)), "positives": side((1,)), "negatives": side((0,))}


def balanced_estimate(instructions: Iterable[Mapping[Outcome, int]]) -> Figures | None:
    """Mean of the shares of positives and of negatives that equal their verdict, {"mean", "error", "skewness", "units"}, by
    the jackknife over instructions, because labels of one ladder share answers. None unless every one of them could be
    missed.

    `instructions`: the outcomes of each one's labels; soft labels are left out.
    """
    table = np.array([_right_and_all(outcomes) for outcomes in instructions], dtype=np.float64).reshape(-1, 2, 2)
    table = table[table[:, :, 1].any(axis=1)]  # (instructions, side, (right, all))
    without = table.sum(axis=0) - table
    if len(table) < 2 or not without[:, :, 1].all():
        return None
    shares = table.sum(axis=0)
    mean = float((shares[:, 0] / shares[:, 1]).mean())
    estimate = jackknife(mean, (without[:, :, 0] / without[:, :, 1]).mean(axis=1), reach=1.0)
    return {"mean": mean, "error": estimate.error, "skewness": estimate.skewness, "units": estimate.units}


def _right_and_all(counts: Mapping[Outcome, int]) -> list[list[int]]:
    """[[right, all] of positives, of negatives] among hard labels."""
    return [
        [
            counts.get(Outcome(label, bool(label)), 0),
            sum(counts.get(Outcome(label, verdict), 0) for verdict in (True, False)),
        ]
        for label in (1, 0)
    ]


def confusion(counts: Outcomes) -> Figures:
    """Counts of {positive, negative} x {passes, fails}, and the two errors as shares."""
    table = {
        f"{name}_{outcome}": sum(n for cell, n in counts.items() if cell.label == label and cell.verdict is verdict)
        for label, name in ((1, "positive"), (0, "negative"))
        for verdict, outcome in ((True, "passes"), (False, "fails"))
    }
    positives, negatives = (table[f"{name}_passes"] + table[f"{name}_fails"] for name in ("positive", "negative"))
    return {
        **table,
        "positives_that_fail": share_of(table["positive_fails"], positives),
        "negatives_that_pass": share_of(table["negative_passes"], negatives),
    }


def contrast(counts: Outcomes) -> Figures:
    """Pass rate of positives minus pass rate of negatives; None without both."""
    table = confusion(counts)
    sides = [(table[f"{name}_passes"], table[f"{name}_passes"] + table[f"{name}_fails"]) for name in _SIDES]
    if not all(total for _, total in sides):
        return {"difference": None, "low": None, "high": None}
    interval = difference_of_shares(sides[0], sides[1])
    return {"difference": interval.mean, "low": interval.low, "high": interval.high}


def soft_estimates(soft: Counts, hard: Counts) -> Figures:
    """What the audit of hard types lets one expect of soft ones, by kind (the part of a type before the colon).

    Estimates, not measurements: they hold as far as the policy follows soft constraints as it does hard ones. `rate` is the
    pooled rate of the hard labels of each level, weighted by the kind's own levels. `low` and `high` are the smallest and
    largest rate among the `types` hard types with at least FEWEST labels of that side: one more type, were it like these,
    falls between them with probability (types - 1) / (types + 1), which `coverage` gives (order statistics: Wilks,
    Determination of Sample Sizes for Setting Tolerance Limits, Ann. Math. Stat. 12, 1941).
    """
    kinds: dict[str, Counter[Cell]] = defaultdict(Counter)
    for cell, n in soft.items():
        kinds[cell.type.partition(":")[0]][cell] += n
    ranges = {label: _range_over_types(hard, label) for label in (1, 0)}
    return {
        kind: {
            name: {"labels": _of_label(part, label).total(), "rate": _carried(part, hard, label), **ranges[label]}
            for name, label in (("positives", 1), ("negatives", 0))
        }
        for kind, part in sorted(kinds.items())
    }


def share(agree: Iterable[bool]) -> Figures:
    """The share of true items as figures."""
    items = list(agree)
    return share_of(sum(items), len(items))


def share_of(agree: int, total: int) -> Figures:
    if not total:
        return {"agree": 0, "total": 0, "rate": None, "low": None, "high": None}
    interval = wilson(agree, total)
    return {"agree": agree, "total": total, "rate": interval.mean, "low": interval.low, "high": interval.high}


_SIDES = ("positive", "negative")


def by_field(counts: Counts, field: str) -> dict[Any, Counter[Cell]]:
    """The counts apart by one field of their cells, in its order."""
    parts: dict[Any, Counter[Cell]] = defaultdict(Counter)
    for cell, n in counts.items():
        parts[getattr(cell, field)][cell] += n
    return dict(sorted(parts.items()))


def _by_length(counts: Counts) -> list[tuple[str, Counter[Cell]]]:
    return sorted(by_field(counts, "length").items(), key=lambda item: int(item[0].rstrip("+").partition("-")[0]))


def _of_label(counts: Counts, label: int) -> Counter[Cell]:
    return Counter({cell: n for cell, n in counts.items() if cell.label == label})


def _right(counts: Counts) -> float | None:
    rate: float | None = agreement(counts)["agreement"]["rate"]
    return rate


def _carried(soft: Counts, hard: Counts, label: int) -> float | None:
    """The hard rate of each level, weighted by the soft labels there; a level without hard labels takes the overall rate."""
    estimated, measured = _of_label(soft, label), _of_label(hard, label)
    overall = _right(measured)
    if overall is None or not estimated:
        return None
    rates = {level: rate for level, part in by_field(measured, "level").items() if (rate := _right(part)) is not None}
    return sum(n * rates.get(cell.level, overall) for cell, n in estimated.items()) / estimated.total()


def _range_over_types(hard: Counts, label: int) -> Figures:
    parts = by_field(_of_label(hard, label), "type").values()
    rates = [rate for part in parts if part.total() >= FEWEST and (rate := _right(part)) is not None]
    if len(rates) < 2:
        return {"low": None, "high": None, "types": len(rates), "coverage": None}
    return {
        "low": min(rates),
        "high": max(rates),
        "types": len(rates),
        "coverage": (len(rates) - 1) / (len(rates) + 1),
    }
