"""Rounds of the pipeline: the policy of one round makes the rollouts, and so the labels, of the next.

A stage of round n > 1 is called `<stage>-<n>` in a run; the plain name is round 1. A round is whole when it has a policy; one
that made labels worse has rollouts and labels only.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from ifrl_core.statistics.intervals import Estimate

Figures = Mapping[str, Any]
T = TypeVar("T")
_LABEL = re.compile(r"(?P<stage>[^.]+)-(?P<round>[2-9]|[1-9]\d+)")


def label_of(stage: str, number: int) -> str:
    """What a stage is called in round `number`, counted from 1. No stage's own label ends with a number."""
    return stage if number == 1 else f"{stage}-{number}"


def last_round(stages: Mapping[str, T]) -> tuple[dict[str, T], list[T]]:
    """The stages under their plain names, with the last whole round's, and the labels of every round in order."""
    matches = {name: match for name in stages if (match := _LABEL.fullmatch(name))}
    rounds = {name: (match["stage"], int(match["round"])) for name, match in matches.items()}
    last = max((number for stage, number in rounds.values() if stage == "policy"), default=1)
    plain = {name: value for name, value in stages.items() if name not in rounds}
    labels = {number: stages[name] for name, (stage, number) in rounds.items() if stage == "labels"}
    of_last = {stage: stages[name] for name, (stage, number) in rounds.items() if number == last}
    first = [stages["labels"]] if "labels" in stages else []
    return plain | of_last, first + [labels[number] for number in sorted(labels)]


def balanced_agreement(labels: Figures) -> float | None:
    """Mean of the shares of positives and of negatives that are right, from the figures of a labels artifact; None when no
    rule knows either. 0.5 says that labels and truth have nothing to do with each other, whatever the base rates."""
    overall = labels["audit"]["overall"]
    rates = [overall[side]["rate"] for side in ("positives", "negatives")]
    return None if None in rates else sum(rates) / 2


def is_worse(labels: Figures, earlier: Figures) -> bool:
    """Whether a round's labels for sure agree less with the rules than those of the round before: the 95% interval of the
    change lies below 0. No rule, no verdict. The two rounds count as independent, which makes it wider, if anything: they
    label the same instructions."""
    now, before = _balanced(labels), _balanced(earlier)
    return now is not None and before is not None and now.minus(before).interval().high < 0


def _balanced(labels: Figures) -> Estimate | None:
    """The balanced agreement with its error; where an artifact does not hold it, as of independent labels."""
    known = labels["audit"].get("balanced")
    if known is not None:
        return Estimate(known["mean"], known["error"], known["skewness"], known["units"], reach=1.0)
    mean, overall = balanced_agreement(labels), labels["audit"]["overall"]
    if mean is None:
        return None
    sides = [overall[side] for side in ("positives", "negatives")]
    totals = [side.get("total") or math.inf for side in sides]  # without counts the shares count as they stand
    error = math.sqrt(sum(s["rate"] * (1 - s["rate"]) / total for s, total in zip(sides, totals, strict=True))) / 2
    return Estimate(mean, error, 0.0, int(min(*totals, 1e9)), reach=1.0)
