"""How wrong pseudo-labels are, by type: what label L and truth y say of each other.

The audit of hard constraints against rules (label_audit) gives them for each hard type; a type without rules takes the
pooled rates, which is an estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Noise = Literal["ignore", "posterior", "rates", "unlabelled"]
RATES = ("hit", "false_alarm", "prior", "missed")  # the fields of Rates, in the order in which tensors hold them
POOLED = ""
LEAST_GAP = 0.05  # P(L=1|y=1) - P(L=1|y=0) below which a type's labels say nothing of the truth


@dataclass(frozen=True)
class Rates:
    """Of one type: `hit` = P(L=1 | y=1), `false_alarm` = P(L=1 | y=0), `prior` = P(y=1 | L=1), `missed` = P(y=1 | L=0)."""

    hit: float
    false_alarm: float
    prior: float
    missed: float

    @property
    def informative(self) -> bool:
        return self.hit - self.false_alarm >= LEAST_GAP


def rates_by_type(audit: Mapping[str, Any], *, weight: float = 10.0) -> dict[str, Rates]:
    """Rates of every hard type of an audit, and the pooled ones under POOLED.

    Each type's counts are joined by `weight` pairs that follow the pooled rates, so that few pairs say little. Without any
    hard constraint there are no rates: the result is empty.
    """
    pooled = _counts(audit["overall"])
    if not sum(pooled.values()):
        return {}
    shares = {key: count / sum(pooled.values()) for key, count in pooled.items()}
    rates = {POOLED: _rates(pooled)}
    for name, row in audit["by_type"].items():
        counts = _counts(row)
        rates[name] = _rates({key: count + weight * shares[key] for key, count in counts.items()})
    return rates


def rates_of(rates: Mapping[str, Rates], type_id: str) -> Rates:
    """The rates of a type; the pooled ones when it was not audited."""
    return rates.get(type_id) or rates[POOLED]


def _counts(row: Mapping[str, Any]) -> dict[tuple[int, int], float]:
    """Pairs by (truth, label) from a row of the audit."""
    positives, negatives = row["positives"], row["negatives"]
    return {
        (1, 1): float(positives["agree"]),
        (0, 1): float(positives["total"] - positives["agree"]),
        (0, 0): float(negatives["agree"]),
        (1, 0): float(negatives["total"] - negatives["agree"]),
    }


def _rates(counts: Mapping[tuple[int, int], float]) -> Rates:
    def share(part: float, rest: float) -> float:
        return (part + 0.5) / (part + rest + 1.0)

    return Rates(
        hit=share(counts[1, 1], counts[1, 0]),
        false_alarm=share(counts[0, 1], counts[0, 0]),
        prior=share(counts[1, 1], counts[0, 1]),
        missed=share(counts[1, 0], counts[0, 0]),
    )
