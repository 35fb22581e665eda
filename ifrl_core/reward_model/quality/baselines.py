"""What a trained reward model has to beat, on the same validation pairs against rules.

majority    the share of positive training labels, whatever the pair
length      logistic regression of the training labels on log(1 + words of the response): the labels fix its direction
zero_shot   the backbone itself, asked yes or no (zero_shot.py)

They are as they are, never calibrated by rules: hold them against the reward model before calibration.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ifrl_core.records import Row
from ifrl_core.reward_model.quality.figures import Scored, against_rules
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.agreement import reliability_bins, roc_points
from ifrl_core.statistics.by_hash import rank_by_hash

MOST_PAIRS = 200  # pairs that are compared: asking a backbone of 135M costs 0.07 s a pair on 2 cores
ScoredBy = dict[str, list[Scored]]  # by scorer: the same pairs in the same order, each with its scorer's probability


def compared(validation: Sequence[Row], most: int = MOST_PAIRS) -> list[int]:
    """Places of the hard pairs that scorers are compared on: all of whole instructions, by hash, at most about `most`."""
    by_instruction: dict[str, list[int]] = {}
    for place, row in enumerate(validation):
        if row["verdict"] is not None:
            by_instruction.setdefault(row["instruction_id"], []).append(place)
    chosen: list[int] = []
    for name in sorted(by_instruction, key=lambda name: rank_by_hash("baselines", name)):
        if chosen and len(chosen) + len(by_instruction[name]) > most:
            break
        chosen += by_instruction[name]
    return sorted(chosen)


def majority(train: Sequence[Row], pairs: Sequence[Row]) -> list[float]:
    """The share of positive training labels for every pair."""
    share = sum(row["label"] for row in train) / len(train)
    return [share] * len(pairs)


def by_length(train: Sequence[Row], pairs: Sequence[Row]) -> list[float]:
    """P(positive | words of the response), fitted on both classes of `train`."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(_lengths(train), [row["label"] for row in train])
    return [float(p) for p in fitted.predict_proba(_lengths(pairs))[:, 1]] if pairs else []


def scored_by(scored: Sequence[Scored], others: dict[str, Sequence[float | None]]) -> ScoredBy:
    """The reward model after and before calibration, and the others; a pair that one of them cannot score is left out."""
    by_scorer: dict[str, Sequence[float | None]] = {
        "reward_model": [pair.probability for pair in scored],
        "reward_model_raw": [pair.raw_probability for pair in scored],
        **others,
    }
    places = [place for place, of_pair in enumerate(zip(*by_scorer.values(), strict=True)) if None not in of_pair]
    return {
        name: [_as_scored(scored[place], name, probabilities[place]) for place in places]
        for name, probabilities in by_scorer.items()
    }


def _as_scored(pair: Scored, scorer: str, probability: float | None) -> Scored:
    """The pair as a scorer sees it; only the reward model's probabilities were scaled, and rank as they were before."""
    raw = pair.raw_probability if scorer == "reward_model" else None
    return replace(pair, probability=probability, raw_probability=raw)


def comparison(scored: ScoredBy, hard_pairs: int) -> Figures:
    """Figures against rules by scorer; `pairs` of the `hard_pairs` validation pairs with a verdict are compared."""
    pairs = len(scored["reward_model"])
    return {"pairs": pairs, "hard_pairs": hard_pairs, **{name: against_rules(part) for name, part in scored.items()}}


def curves(scored: ScoredBy) -> dict[str, Any]:
    """ROC points and reliability bins against rules by scorer: what the report draws."""
    return {name: _curve(part) for name, part in scored.items()}


def _curve(pairs: Sequence[Scored]) -> dict[str, Any]:
    verdicts = [int(bool(pair.verdict)) for pair in pairs]
    probability = [pair.probability or 0.0 for pair in pairs]
    return {
        "roc": roc_points([pair.rank for pair in pairs], verdicts),
        "reliability": reliability_bins(probability, verdicts),
    }


def _lengths(rows: Sequence[Row]) -> "np.ndarray[Any, Any]":
    return np.array([[math.log1p(len(row["response"].split()))] for row in rows])
