"""Ways to put parts together, by hand and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.records import Constraint
from ifrl_core.rewards.aggregate import Aggregation, aggregate, reliability_weights

HARD = Constraint("punctuation:no_comma", "hard", "Use no commas.")
KIND = Constraint("tone:kind", "soft", "Sound kind.")
BRIEF = Constraint("style:brief", "soft", "Be brief.")
WAYS: tuple[Aggregation, ...] = ("mean", "all", "weighted", "reliability", "ordered", "conditional")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", (1 + 0.6 + 0.2) / 3),
        ("all", 0.0),
        ("weighted", (1 + 3 * 0.6 + 0.2) / 5),
        ("ordered", (1 + 0.5 * 0.6 + 0.25 * 0.2) / 1.75),
        ("conditional", (1 + 0.6 + 0.12) / 3),
    ],
)
def test_one_answer_by_hand(how: Aggregation, expected: float) -> None:
    found = aggregate((1.0, 0.6, 0.2), (HARD, KIND, BRIEF), how, weights={"tone:kind": 3.0}, decay=0.5)
    assert found == pytest.approx(expected)


def test_all_or_nothing_asks_rules_for_one_and_readers_for_a_half() -> None:
    assert aggregate((1.0, 0.5), (HARD, KIND), "all") == 1.0
    assert aggregate((0.0, 0.9), (HARD, KIND), "all") == 0.0
    assert aggregate((1.0, 0.49), (HARD, KIND), "all") == 0.0


@pytest.mark.parametrize("how", WAYS)
def test_an_unscored_part_is_never_a_zero(how: Aggregation) -> None:
    assert aggregate((1.0, None), (HARD, KIND), how) is None


def test_a_part_without_weight_need_not_be_scored_and_weight_alone_makes_nothing_unscored() -> None:
    assert aggregate((1.0, None), (HARD, KIND), "reliability", weights={"tone:kind": 0.0}) == 1.0
    assert aggregate((0.4,), (KIND,), "reliability", weights={"tone:kind": 0.0}) == 0.0
    assert aggregate((None,), (KIND,), "weighted", weights={"tone:kind": 0.0}) == 0.0


def test_reliability_is_what_the_measured_auc_is_above_chance() -> None:
    rows = {"tone:kind": {"auc": 0.9, "n": 40}, "style:brief": {"auc": 1.0, "n": 4}, "style:bad": {"auc": 0.3, "n": 40}}
    weights = reliability_weights({"soft": {"auc": 0.7, "by_type": rows}}, [*rows, "persona:unseen"])
    wanted = {"tone:kind": 0.8, "style:brief": 0.4, "style:bad": 0.0, "persona:unseen": 0.4}
    assert weights == pytest.approx(wanted), "too few pairs, or none: the pooled figure"
    assert reliability_weights({"soft": {"auc": None, "by_type": {}}}) == {}
    assert reliability_weights({"soft": {"auc": None, "by_type": {}}}, ["tone:kind"]) == {"tone:kind": 0.0}


parts = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@given(parts, st.sampled_from(WAYS), st.floats(0.1, 1))
def test_every_reward_lies_between_0_and_1_and_a_better_part_never_lowers_it(
    scores: list[float], how: Aggregation, decay: float
) -> None:
    asked = [HARD if n % 2 else KIND for n in range(len(scores))]
    found = aggregate(scores, asked, how, decay=decay)
    assert found is not None
    assert 0 <= found <= 1 + 1e-9
    for place in range(len(scores)):
        better = aggregate([*scores[:place], 1.0, *scores[place + 1 :]], asked, how, decay=decay)
        assert better is not None
        assert better >= found - 1e-9
    assert aggregate([1.0] * len(scores), asked, how, decay=decay) == pytest.approx(1.0)
