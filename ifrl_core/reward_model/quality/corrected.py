"""What the reward model's AUC would be against the truth, estimated from labels alone and what they are worth.

On hard types rules give both the labels' worth and the true AUC, so there the estimate can be checked: where it is not what
rules say, the model knows the labels better than the truth does, and the estimates of soft types are too high by as much.
Soft types borrow the gap of hard ones, with an interval for types being unlike: `statistics.noisy_labels`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.agreement import auc
from ifrl_core.statistics.intervals import Floats
from ifrl_core.statistics.noisy_labels import Clusters, corrected_auc, excess, gap, spread

FEWEST = 10  # labels of each class that a hard type needs before its gap says something about other types


def corrected_figures(pairs: Sequence[Scored]) -> Figures:
    """`hard`, pooled and within types: the estimate, and as `rules` what it should be, which it `holds` or not; `soft` within
    types, by kind and by type; `gap`: what labels of hard types are worth on average, and how much types differ.

    An estimate is {"labels", "gap", "auc", "low", "high", "pairs"}: the AUC against labels, and in truth with a 95% interval.
    """
    pairs = [pair for pair in pairs if pair.probability is not None]
    clusters = Clusters.of([pair.instruction_id for pair in pairs])
    hard = [place for place, pair in enumerate(pairs) if pair.verdict is not None]
    soft = [place for place, pair in enumerate(pairs) if pair.kind == "soft"]
    types = sorted({pairs[place].type for place in soft})
    carried = _carried([pairs[place] for place in hard])
    worth = _gap(pairs, hard, clusters, within=True)

    def of_soft(chosen: Sequence[int]) -> Figures:
        return _estimate(pairs, chosen, clusters, worth, further=carried["variance"] * _unlike(pairs, chosen, hard))

    return {
        "gap": {"mean": _number(worth[-1]), "spread": carried["variance"] ** 0.5, "types": carried["types"]},
        "hard": {
            name: _checked(pairs, hard, clusters, within)
            for name, within in (("pooled", False), ("within_types", True))
        },
        "soft": {
            "within_types": of_soft(soft),
            "by_kind": _by(
                [kind_of(name) for name in types], lambda kind: of_soft(_places(pairs, soft, kind, kind_of))
            ),
            "by_type": _by(types, lambda name: of_soft(_places(pairs, soft, name, str))),
        },
    }


def kind_of(type_id: str) -> str:
    """The part of a type before its colon, as in the audit."""
    return type_id.partition(":")[0]


def _checked(pairs: Sequence[Scored], chosen: Sequence[int], clusters: Clusters, within: bool) -> Figures:
    """The estimate from labels of hard types, the AUC by rules (weighed alike), and whether the interval holds it."""
    found = _estimate(pairs, chosen, clusters, _gap(pairs, chosen, clusters, within=within), within=within)
    rules = _by_rules([pairs[place] for place in chosen], within)
    known = found["auc"] is not None and rules is not None
    return {**found, "rules": rules, "holds": found["low"] <= rules <= found["high"] if known else None}


def _by_rules(hard: Sequence[Scored], within: bool) -> float | None:
    """AUC by verdicts; within types their mean, weighed by what labels weigh and are worth, as the estimate is."""
    if not within:
        return auc([pair.rank for pair in hard], [int(bool(pair.verdict)) for pair in hard])
    parts = []
    for name in sorted({pair.type for pair in hard}):
        part = [pair for pair in hard if pair.type == name]
        positives, negatives = ([pair for pair in part if pair.label == side] for side in (1, 0))
        if not positives or not negatives:
            continue
        worth = _share_true(positives) - _share_true(negatives)
        weight = worth * len(positives) * len(negatives) / len(part)
        ranked = auc([pair.rank for pair in part], [int(bool(pair.verdict)) for pair in part])
        if ranked is not None:  # of one verdict only, the gap is 0
            parts.append((weight, ranked))
    total = sum(weight for weight, _ in parts)
    return sum(weight * ranked for weight, ranked in parts) / total if total > 0 else None


def _estimate(
    pairs: Sequence[Scored],
    chosen: Sequence[int],
    clusters: Clusters,
    worth: Floats,
    *,
    further: float = 0.0,
    within: bool = True,
) -> Figures:
    part = [pairs[place] for place in chosen]
    types = [pair.type for pair in part] if within else None
    above = excess([p.rank for p in part], [p.label for p in part], clusters[_index(chosen)], types)
    found = asdict(corrected_auc(above, worth, further=further))
    return {**{name: _number(value) for name, value in found.items()}, "pairs": len(part)}


def _gap(pairs: Sequence[Scored], chosen: Sequence[int], clusters: Clusters, *, within: bool) -> Floats:
    part = [pairs[place] for place in chosen]
    types = [pair.type for pair in part] if within else None
    return gap([bool(p.verdict) for p in part], [p.label for p in part], clusters[_index(chosen)], types)


def _carried(hard: Sequence[Scored]) -> dict[str, Any]:
    """How much the gaps of hard types differ in truth, by those of at least FEWEST labels of each class."""
    gaps, errors = [], []
    for name in sorted({pair.type for pair in hard}):
        sides = [[pair for pair in hard if pair.type == name and pair.label == label] for label in (1, 0)]
        if min(len(side) for side in sides) >= FEWEST:
            shares = [_share_true(side, more=1.0) for side in sides]
            gaps.append(shares[0] - shares[1])
            errors.append(sum(s * (1 - s) / len(side) for s, side in zip(shares, sides, strict=True)) ** 0.5)
    return {"variance": spread(gaps, errors), "types": len(gaps)}


def _share_true(side: Sequence[Scored], more: float = 0.0) -> float:
    """Share of verdicts that are true; with `more` of each kind, it is never 0 or 1, nor is its error 0."""
    return (sum(bool(pair.verdict) for pair in side) + more) / (len(side) + 2 * more)


def _unlike(pairs: Sequence[Scored], soft: Sequence[int], hard: Sequence[int]) -> float:
    """Variance of the mean gap of the soft types less that of the hard ones, for a variance of 1 between types."""
    return sum(_sum_of_squares(_weights([pairs[place] for place in part])) for part in (soft, hard))


def _weights(part: Sequence[Scored]) -> list[float]:
    types: dict[str, list[int]] = {}
    for pair in part:
        types.setdefault(pair.type, [0, 0])[pair.label] += 1
    return [negatives * positives / (negatives + positives) for negatives, positives in types.values()]


def _sum_of_squares(weights: Sequence[float]) -> float:
    total = sum(weights)
    return sum((weight / total) ** 2 for weight in weights) if total else 0.0


def _by(names: Sequence[str], figures_of: Callable[[str], Figures]) -> Mapping[str, Figures]:
    return {name: figures_of(name) for name in sorted(set(names))}


def _places(pairs: Sequence[Scored], chosen: Sequence[int], name: str, of: Callable[[str], str]) -> list[int]:
    return [place for place in chosen if of(pairs[place].type) == name]


def _index(chosen: Sequence[int]) -> NDArray[np.intp]:
    return np.array(chosen, dtype=np.intp)


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
