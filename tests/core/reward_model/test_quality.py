"""Quality figures on scored pairs made by hand."""

import pytest

from ifrl_core.reward_model.quality import Scored, quality


def pair(probability: float | None, label: int, verdict: bool | None, type_: str = "startend:end_checker") -> Scored:
    return Scored("l-1", type_, "soft" if verdict is None else "hard", 1, label, verdict, probability)


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
