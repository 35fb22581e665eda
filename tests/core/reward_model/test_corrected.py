"""Corrected AUC in a made-up world: hard types whose verdicts are known, soft ones whose truth is hidden."""

from dataclasses import replace

import numpy as np

from ifrl_core.reward_model.quality.corrected import corrected_by_sheet, corrected_figures
from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.statistics.agreement import auc

HARD = {"length:a": 0.1, "length:b": 0.3, "words:c": 0.5}  # share of negatives that are satisfied by chance
SOFT = {"tone:tone": 0.2, "style:economy": 0.4}


def pairs(instructions: int = 150, *, leak: float = 0.0, gap: float = 0.3) -> tuple[list[Scored], list[bool]]:
    """Answers of three rungs of each instruction, labelled for every type, each at the first or second rung; what is true of
    each. `leak`: what further constraints, of whatever type, change in an answer that scores see."""
    random = np.random.default_rng(4)
    made, truths = [], []
    for instruction in range(instructions):
        for type_, base in (HARD | SOFT).items():
            level = int(random.integers(1, 3))
            for rung in range(3):
                label = int(rung >= level)
                true = bool(random.random() < base + gap * label)
                score = float(1 / (1 + np.exp(-(random.normal() + 1.2 * true + leak * rung))))
                kind, verdict = ("hard", true) if type_ in HARD else ("soft", None)
                made.append(Scored("l", type_, kind, level, label, verdict, score, score, str(instruction), rung=rung))
                truths.append(true)
    return made, truths


def test_estimates_from_labels_are_what_rules_and_the_hidden_truth_say() -> None:
    made, truths = pairs()
    found = corrected_figures(made)
    within = found["hard"]["within_rungs"]
    assert within["holds"] is True
    assert within["labels"] < 0.6 < within["auc"]
    assert abs(within["rules"] - 0.80) < 0.03
    soft = [(pair.rank, int(true)) for pair, true in zip(made, truths, strict=True) if pair.kind == "soft"]
    true_auc = auc(*zip(*soft, strict=True))
    assert true_auc is not None
    assert found["soft"]["within_rungs"]["low"] <= true_auc <= found["soft"]["within_rungs"]["high"]
    assert found["soft"]["by_type"].keys() == SOFT.keys()
    assert found["soft"]["by_kind"].keys() == {"tone", "style"}
    assert found["gap"]["types"] == 3
    assert abs(found["gap"]["mean"] - 0.3) < 0.06


def test_what_all_answers_of_a_rung_share_is_no_skill_and_answers_of_one_rung_do_not_show_it() -> None:
    found = corrected_figures(pairs(leak=1.0)[0])["hard"]
    assert found["within_types"]["holds"] is False
    assert found["within_types"]["low"] > 1.0  # better than perfect: no estimate
    assert found["within_rungs"]["holds"] is True
    assert abs(found["within_rungs"]["rules"] - 0.80) < 0.03


def test_hard_types_that_differ_make_soft_estimates_less_sure() -> None:
    alike, _ = pairs()
    found = corrected_figures(alike)
    unlike = [
        replace(pair, verdict=pair.label == 1) if pair.type == "length:a" else pair for pair in alike
    ]  # labels of one type are all right
    wider = corrected_figures(unlike)
    assert wider["gap"]["spread"] > 0.2 > found["gap"]["spread"]
    assert wider["soft"]["within_rungs"]["auc"] is None  # so unlike that a soft type may be worth nothing


def test_a_judged_sheet_says_what_soft_labels_are_worth() -> None:
    made, truths = pairs(400)
    soft = [(pair, true) for pair, true in zip(made, truths, strict=True) if pair.kind == "soft"]
    true_auc = auc([pair.rank for pair, _ in soft], [int(true) for _, true in soft])
    assert true_auc is not None
    right = [sum(true == bool(label) for pair, true in soft if pair.label == label) for label in (1, 0)]
    sides = [(right[place], sum(pair.label == label for pair, _ in soft)) for place, label in enumerate((1, 0))]
    sure = corrected_by_sheet(made, *sides)
    assert sure["pairs"] == len(soft)
    assert sure["low"] <= true_auc <= sure["high"]
    unsure = corrected_by_sheet(made, *((right * 60 // total, 60) for right, total in sides))  # 60 judged of each side
    assert unsure["high"] - unsure["low"] > sure["high"] - sure["low"]
    assert corrected_by_sheet(made, (0, 0), (0, 0))["auc"] is None


def test_without_hard_pairs_or_without_any_nothing_is_estimated() -> None:
    soft = [pair for pair in pairs(5)[0] if pair.kind == "soft"]
    assert corrected_figures(soft)["soft"]["within_rungs"]["auc"] is None
    assert corrected_figures(soft)["hard"]["within_rungs"]["holds"] is None
    assert corrected_figures([])["soft"]["within_rungs"]["pairs"] == 0
    assert corrected_figures([replace(soft[0], probability=None)])["soft"]["within_rungs"]["pairs"] == 0
