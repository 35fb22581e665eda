"""Training pairs that models of other instructions rank the wrong way round: co-teaching's idea for contrasts.

Two classifiers, each trained on half of the instructions, score the other half (so neither has seen what it judges). A
contrast is a positive and a negative of one constraint; it is reversed with confidence P(negative before positive) =
sigmoid(logit of the negative - logit of the positive) (Bradley and Terry, Biometrika 39, 1952). Labels whose contrasts are
reversed with enough confidence on average are left out. After Han et al., arXiv 1804.06872, where two networks choose each
other's training data.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.statistics.by_hash import rank_by_hash


def half_of(instruction: str, seed: int) -> int:
    """0 or 1, by hash: an instruction is on one side with all of its pairs."""
    return rank_by_hash("co-teaching", seed, instruction)[0] % 2


def misranked(pairs: Sequence[Mapping[str, Any]], logits: Sequence[float | None], confidence: float) -> list[int]:
    """Places of the training pairs to leave out; a pair without a score, or without a counterpart, stays."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        if pair["split"] == "train" and logits[place] is not None:
            groups[pair["instruction"], pair["constraint"]].append(place)
    reversed_places = []
    for places in groups.values():
        for place in places:
            sign = 1 if pairs[place]["label"] else -1
            confidences = [
                _sigmoid(sign * ((logits[other] or 0.0) - (logits[place] or 0.0)))
                for other in places
                if pairs[other]["label"] != pairs[place]["label"]
            ]
            if confidences and fmean(confidences) >= confidence:
                reversed_places.append(place)
    return sorted(reversed_places)


def logit(probability: float | None) -> float | None:
    if probability is None:
        return None
    clipped = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(clipped / (1 - clipped))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
