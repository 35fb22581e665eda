"""Quality figures on scored pairs made by hand."""

import pytest

from ifrl_core.reward_model.quality.figures import BREAKDOWNS, Scored, quality, summary_figures


def pair(
    probability: float | None,
    label: int,
    verdict: bool | None,
    type_: str = "startend:end_checker",
    *,
    level: int = 1,
    instruction: str = "i-1",
) -> Scored:
    kind = "soft" if verdict is None else "hard"
    return Scored("l-1", type_, kind, level, label, verdict, probability, instruction_id=instruction)


def test_hard_pairs_are_held_against_rules_and_soft_ones_against_labels() -> None:
    # Rules rank the hard pairs perfectly, their pseudo-labels the wrong way round; the soft pair order is right.
    found = quality(
        [pair(0.9, 0, True), pair(0.2, 1, False), pair(0.8, 1, None, "tone:warm"), pair(0.3, 0, None, "tone:warm")]
    )
    assert found["hard"]["auc"] == 1.0
    assert found["hard"]["accuracy"] == 1.0
    assert found["hard_labels"]["auc"] == 0.0
    assert found["soft"]["auc"] == 1.0
    assert found["soft"]["n"] == 2
    assert found["hard"]["base_rate"] == 0.5


def test_a_ranking_by_type_alone_shows_only_in_the_pooled_figure() -> None:
    easy = [pair(0.9, 1, truth, "a:easy") for truth in (True, True, True, False)]
    rare = [pair(0.1, 1, truth, "b:rare") for truth in (True, False, False, False)]
    hard = quality([*easy, *rare])["hard"]
    assert hard["auc"] == pytest.approx(12 / 16)  # 3 x 3 pairs right, and half of the 3 + 3 ties, of 4 x 4
    assert hard["auc_within_types"] == 0.5
    assert hard["types_with_auc"] == 2


def test_undefined_is_none_and_never_zero() -> None:
    found = quality([pair(0.4, 1, True)])
    assert found["hard"]["auc"] is None
    assert found["hard"]["kendall_tau"] is None
    assert found["hard"]["auc_within_types"] is None
    assert found["soft"]["n"] == 0
    assert found["soft"]["accuracy"] is None


def test_unscored_pairs_are_counted_and_left_out() -> None:
    found = quality([pair(None, 1, True), pair(0.9, 1, True), pair(None, 0, None)])
    assert found["unscored"] == 2
    assert found["hard"]["n"] == 1
    assert found["soft"]["n"] == 0


def test_f1_counts_what_is_called_satisfied() -> None:
    # Called satisfied: 0.9 (right) and 0.6 (wrong); missed: 0.2. Precision 1/2, recall 1/2.
    found = quality([pair(0.9, 1, True), pair(0.6, 1, False), pair(0.2, 1, True), pair(0.1, 1, False)])
    assert found["hard"]["f1"] == 0.5
    assert found["hard_labels"]["f1"] == pytest.approx(2 * 2 / (2 + 4))  # every label is positive


def test_position_consistency_compares_answers_to_one_constraint_only() -> None:
    easy = [pair(0.9, 1, True, instruction="a"), pair(0.8, 0, False, instruction="a")]
    rare = [pair(0.3, 1, True, instruction="b"), pair(0.4, 0, False, instruction="b")]
    tied = [pair(0.5, 1, True, level=2), pair(0.5, 0, False, level=2), pair(0.1, 0, False, level=2)]
    found = quality([*easy, *rare, *tied])["hard"]
    assert found["contrasts"] == 4
    assert found["position_consistency"] == 0.5  # a in order, b against it, one tie, one in order
    assert found["by_level"]["1"]["position_consistency"] == 0.5
    assert quality(easy[:1])["hard"]["position_consistency"] is None


def test_labels_and_rules_may_order_the_same_contrast_differently() -> None:
    found = quality([pair(0.9, 0, True), pair(0.2, 1, False)])
    assert found["hard"]["position_consistency"] == 1.0
    assert found["hard_labels"]["position_consistency"] == 0.0


def test_every_part_is_broken_down_by_type_kind_and_level() -> None:
    found = quality([pair(0.8, 1, None, "tone:warm"), pair(0.3, 0, None, "tone:dry", level=3), pair(0.9, 1, True)])
    assert {name: list(found["soft"][name]) for name in BREAKDOWNS} == {
        "by_type": ["tone:dry", "tone:warm"],
        "by_kind": ["tone"],
        "by_level": ["1", "3"],
    }
    assert found["soft"]["by_kind"]["tone"]["auc"] == 1.0
    assert not set(summary_figures(found["soft"])) & set(BREAKDOWNS)
