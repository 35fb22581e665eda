"""Corrected AUC in a made-up world: hard types whose verdicts are known, soft ones whose truth is hidden."""

from dataclasses import replace

import numpy as np

from ifrl_core.reward_model.quality.corrected import corrected_figures
from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.statistics.agreement import auc

HARD = {"length:a": 0.1, "length:b": 0.3, "words:c": 0.5}  # share of negatives that are satisfied by chance
SOFT = {"tone:tone": 0.2, "style:economy": 0.4}


def pairs(instructions: int = 150, *, leak: float = 0.0, gap: float = 0.3) -> tuple[list[Scored], list[bool]]:
    """A positive and a negative of every type of each instruction, and what is true of each."""
    random = np.random.default_rng(4)
    made, truths = [], []
    for instruction in range(instructions):
        for type_, base in (HARD | SOFT).items():
            for label in (0, 1):
                true = bool(random.random() < base + gap * label)
                score = float(1 / (1 + np.exp(-(random.normal() + 1.2 * true + leak * label))))
                hard = type_ in HARD
                made.append(
                    Scored(
                        "l",
                        type_,
                        "hard" if hard else "soft",
                        1,
                        label,
                        true if hard else None,
                        score,
                        score,
                        str(instruction),
                    )
                )
                truths.append(true)
    return made, truths


def test_estimates_from_labels_are_what_rules_and_the_hidden_truth_say() -> None:
    made, truths = pairs()
    found = corrected_figures(made)
    within = found["hard"]["within_types"]
    assert within["holds"] is True
    assert within["labels"] < 0.6 < within["auc"]
    assert abs(within["rules"] - 0.80) < 0.03
    soft = [(pair.rank, int(true)) for pair, true in zip(made, truths, strict=True) if pair.kind == "soft"]
    true_auc = auc(*zip(*soft, strict=True))
    assert true_auc is not None
    assert found["soft"]["within_types"]["low"] <= true_auc <= found["soft"]["within_types"]["high"]
    assert found["soft"]["by_type"].keys() == SOFT.keys()
    assert found["soft"]["by_kind"].keys() == {"tone", "style"}
    assert found["gap"]["types"] == 3
    assert abs(found["gap"]["mean"] - 0.3) < 0.06


def test_a_model_that_learnt_the_labels_themselves_is_caught_by_the_rules() -> None:
    found = corrected_figures(pairs(leak=0.8)[0])["hard"]["within_types"]
    assert found["holds"] is False
    assert found["rules"] < found["low"]


def test_hard_types_that_differ_make_soft_estimates_less_sure() -> None:
    alike, _ = pairs()
    found = corrected_figures(alike)
    unlike = [
        replace(pair, verdict=pair.label == 1) if pair.type == "length:a" else pair for pair in alike
    ]  # labels of one type are all right
    wider = corrected_figures(unlike)
    assert wider["gap"]["spread"] > 0.2 > found["gap"]["spread"]
    assert wider["soft"]["within_types"]["auc"] is None  # so unlike that a soft type may be worth nothing


def test_without_hard_pairs_or_without_any_nothing_is_estimated() -> None:
    soft = [pair for pair in pairs(5)[0] if pair.kind == "soft"]
    assert corrected_figures(soft)["soft"]["within_types"]["auc"] is None
    assert corrected_figures(soft)["hard"]["pooled"]["holds"] is None
    assert corrected_figures([])["soft"]["within_types"]["pairs"] == 0
    assert corrected_figures([replace(soft[0], probability=None)])["soft"]["within_types"]["pairs"] == 0
