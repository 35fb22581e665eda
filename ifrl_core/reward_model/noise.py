"""How wrong pseudo-labels are, by type, and losses that know it.

With y the truth and L the label, the audit of hard constraints against rules (labels.audit_figures) gives for each type
P(L=1 | y=1) and P(L=1 | y=0); a type without rules takes the pooled rates, which is an estimate.

ignore       BCE(s, L) with s = P(y=1 | x), the paper's
rates        forward correction (Patrini et al., arXiv 1609.03683): BCE(s P(L=1|y=1) + (1-s) P(L=1|y=0), L). At its optimum s
             is the truth's probability, not the label's
unlabelled   positives as unlabelled, negatives as labelled: the non-negative risk of PU learning (Kiryo et al., arXiv
             1703.00593) with the classes swapped, since here it is the negatives that can be believed
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

Noise = Literal["ignore", "rates", "unlabelled"]
POOLED = ""
LEAST_GAP = 0.05  # P(L=1|y=1) - P(L=1|y=0) below which a type's labels say nothing of the truth


@dataclass(frozen=True)
class Rates:
    """Of one type: `hit` = P(L=1 | y=1), `false_alarm` = P(L=1 | y=0), `prior` = P(y=1 | L=1)."""

    hit: float
    false_alarm: float
    prior: float

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
    found = {POOLED: _rates(pooled)}
    for name, row in audit["by_type"].items():
        counts = _counts(row)
        found[name] = _rates({key: count + weight * shares[key] for key, count in counts.items()})
    return found


def rates_of(rates: Mapping[str, Rates], type_id: str) -> Rates:
    """The rates of a type; the pooled ones when it was not audited."""
    return rates.get(type_id) or rates[POOLED]


def corrected_loss(logits: Tensor, labels: Tensor, hit: Tensor, false_alarm: Tensor) -> Tensor:
    """Summed forward-corrected cross-entropy of (N,) logits against labels in {0, 1}; rates (N,) in (0, 1)."""
    truth = logits.sigmoid()
    said = (truth * hit + (1 - truth) * false_alarm).clamp(1e-6, 1 - 1e-6)
    return -(labels * said.log() + (1 - labels) * (1 - said).log()).sum()


def unlabelled_loss(logits: Tensor, labels: Tensor, prior: Tensor) -> Tensor:
    """Summed non-negative risk with the positives (N,) unlabelled; `prior` (N,): share of them that is satisfied.

    A positive pair counts as the mean of both truths; of that, what its negative share explains is taken off again, and
    never more than there is: max(0, risk of U as satisfied - (1 - prior) risk of N as satisfied) + (1 - prior) risk of N.
    """
    as_satisfied, as_violated = -logsigmoid(logits), -logsigmoid(-logits)
    unlabelled, negative = labels > 0.5, labels <= 0.5
    n_unlabelled, n_negative = unlabelled.sum().clamp_min(1), negative.sum().clamp_min(1)
    violated = 1 - prior
    of_negative = (violated * as_violated)[negative].sum() / n_negative
    positive = as_satisfied[unlabelled].sum() / n_unlabelled - (violated * as_satisfied)[negative].sum() / n_negative
    return (of_negative + torch.relu(positive)) * len(logits)


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
    )
