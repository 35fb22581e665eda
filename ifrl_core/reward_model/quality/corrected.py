"""What the reward model's AUC would be against the truth, estimated from labels alone and what they are worth.

Answers of one rung are compared: there a label says whether the constraint was asked for, and nothing else of the answer.
Over rungs, answers differ in all that further constraints change (length, form), which a model learns as well as the
constraint itself; then its AUC against labels is beyond what even a perfect model could show, and no identity holds.

On hard types rules give both the labels' worth and the true AUC, so there the estimate can be checked. Soft types borrow the
gap of hard ones, with an interval for types being unlike: `statistics.noisy_labels`.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ifrl_core.reward_model.quality.figures import BREAKDOWNS, Scored
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.intervals import Floats
from ifrl_core.statistics.noisy_labels import Clusters, corrected_auc, excess, gap, spread

FEWEST = 10  # labels of each class that a hard type needs before its gap says something about other types
Strata = Callable[[Scored], Hashable]


def corrected_figures(pairs: Sequence[Scored]) -> Figures:
    """`hard`: the estimate within types, and within types and rungs; as `rules` what it should be, which it `holds` or not.
    `soft`: within types and rungs, of all, by kind and by type. `gap`: what labels of hard types are worth on average, and
    how much types differ.

    An estimate is {"labels", "gap", "auc", "low", "high", "pairs"}: the AUC against labels, and in truth with a 95% interval.
    """
    pairs = [pair for pair in pairs if pair.probability is not None]
    clusters = Clusters.of([pair.instruction_id for pair in pairs])
    hard = [place for place, pair in enumerate(pairs) if pair.verdict is not None]
    soft = [place for place, pair in enumerate(pairs) if pair.kind == "soft"]
    worth, (variance, types) = _gap(pairs, hard, clusters, _rung), _differ([pairs[place] for place in hard])

    def of_soft(chosen: Sequence[int]) -> Figures:
        return _estimate(pairs, chosen, clusters, _rung, worth, further=variance * _unlike(pairs, chosen, hard))

    return {
        "gap": {"mean": _number(worth[-1]), "spread": variance**0.5, "types": types},
        "hard": {
            "within_types": _checked(pairs, hard, clusters, _type),
            "within_rungs": _checked(pairs, hard, clusters, _rung),
        },
        "soft": {
            "within_rungs": of_soft(soft),
            "by_kind": {
                name: of_soft(part) for name, part in _grouped(pairs, soft, lambda pair: pair.type.partition(":")[0])
            },
            "by_type": {name: of_soft(part) for name, part in _grouped(pairs, soft, BREAKDOWNS["by_type"])},
        },
    }


def corrected_by_sheet(pairs: Sequence[Scored], positives: tuple[int, int], negatives: tuple[int, int]) -> Figures:
    """The estimate of all soft pairs where people judged labels: (right, judged) of soft positives and of soft negatives."""
    pairs = [pair for pair in pairs if pair.probability is not None and pair.kind == "soft"]
    clusters = Clusters.of([pair.instruction_id for pair in pairs])
    shares = [
        (right + 1) / (judged + 2) for right, judged in (positives, negatives)
    ]  # never 0 or 1, whose error would be 0
    variance = sum(s * (1 - s) / (judged + 2) for s, (_, judged) in zip(shares, (positives, negatives), strict=True))
    worth = np.full(clusters.count + 1, sum(shares) - 1)
    return _estimate(pairs, range(len(pairs)), clusters, _rung, worth, further=variance)


def _type(pair: Scored) -> Hashable:
    return pair.type


def _rung(pair: Scored) -> Hashable:
    return pair.type, pair.rung


def _checked(pairs: Sequence[Scored], chosen: Sequence[int], clusters: Clusters, strata: Strata) -> Figures:
    """The estimate from labels of hard types, the AUC by rules, and whether the interval holds it."""
    found = _estimate(pairs, chosen, clusters, strata, _gap(pairs, chosen, clusters, strata))
    rules = _by_rules(pairs, chosen, clusters, strata)
    known = found["auc"] is not None and rules is not None
    return {**found, "rules": rules, "holds": found["low"] <= rules <= found["high"] if known else None}


def _by_rules(pairs: Sequence[Scored], chosen: Sequence[int], clusters: Clusters, strata: Strata) -> float | None:
    """AUC by verdicts within strata, types weighed by what their labels are worth: what labels can show of a type is that
    much, so that the estimate speaks of those whose labels are right most of the time. A gap below 0 counts as 0."""
    total = above = 0.0
    for _, places in _grouped(pairs, chosen, BREAKDOWNS["by_type"]):
        part = [pairs[place] for place in places]
        ranks, verdicts = [pair.rank for pair in part], [int(bool(pair.verdict)) for pair in part]
        own = excess(ranks, verdicts, clusters[_index(places)], [strata(pair) for pair in part])[-1]
        worth = _gap(pairs, places, clusters, strata)[-1]
        weight = sum(_weights(part, strata).values()) * max(0.0, worth)
        if np.isfinite(own) and np.isfinite(weight):  # of one verdict alone, the gap is 0
            total, above = total + weight, above + weight * own
    return 0.5 + float(above / total) if total else None


def _estimate(
    pairs: Sequence[Scored],
    chosen: Sequence[int],
    clusters: Clusters,
    strata: Strata,
    worth: Floats,
    *,
    further: float = 0.0,
) -> Figures:
    part = [pairs[place] for place in chosen]
    labels = [pair.label for pair in part]
    above = excess([pair.rank for pair in part], labels, clusters[_index(chosen)], [strata(pair) for pair in part])
    found = asdict(corrected_auc(above, worth, further=further))
    return {**{name: _number(value) for name, value in found.items()}, "pairs": len(part)}


def _gap(pairs: Sequence[Scored], chosen: Sequence[int], clusters: Clusters, strata: Strata) -> Floats:
    part = [pairs[place] for place in chosen]
    verdicts, labels = [bool(pair.verdict) for pair in part], [pair.label for pair in part]
    return gap(verdicts, labels, clusters[_index(chosen)], [strata(pair) for pair in part])


def _differ(hard: Sequence[Scored]) -> tuple[float, int]:
    """Variance of the true gaps of hard types, and how many it is of: those with at least FEWEST labels of each class."""
    gaps, errors = [], []
    for _, places in _grouped(hard, range(len(hard)), BREAKDOWNS["by_type"]):
        sides = [[bool(hard[place].verdict) for place in places if hard[place].label == label] for label in (1, 0)]
        if min(len(side) for side in sides) >= FEWEST:
            shares = [(sum(side) + 1) / (len(side) + 2) for side in sides]  # never 0 or 1, whose error would be 0
            gaps.append(shares[0] - shares[1])
            errors.append(sum(s * (1 - s) / len(side) for s, side in zip(shares, sides, strict=True)) ** 0.5)
    return spread(gaps, errors), len(gaps)


def _unlike(pairs: Sequence[Scored], soft: Sequence[int], hard: Sequence[int]) -> float:
    """Variance of the mean gap of the soft types less that of the hard ones, for a variance of 1 between types: the sums of
    squares of the shares that types have in either mean."""
    squares = 0.0
    for chosen in (soft, hard):
        weights = list(_weights([pairs[place] for place in chosen], _rung).values())
        squares += sum((weight / (sum(weights) or 1.0)) ** 2 for weight in weights)
    return squares


def _weights(part: Sequence[Scored], strata: Strata) -> dict[str, float]:
    """What each type weighs in a mean over strata (`noisy_labels`)."""
    counts: dict[tuple[str, Hashable], list[int]] = {}
    for pair in part:
        counts.setdefault((pair.type, strata(pair)), [0, 0])[pair.label] += 1
    weights: dict[str, float] = {}
    for (type_, _), (negatives, positives) in counts.items():
        weights[type_] = weights.get(type_, 0.0) + negatives * positives / (negatives + positives)
    return weights


def _grouped(
    pairs: Sequence[Scored], chosen: Iterable[int], name_of: Callable[[Scored], str]
) -> list[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = {}
    for place in chosen:
        groups.setdefault(name_of(pairs[place]), []).append(place)
    return sorted(groups.items())


def _index(chosen: Sequence[int]) -> NDArray[np.intp]:
    return np.array(chosen, dtype=np.intp)


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
