"""Weights that move level pass rates into a corridor."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.constraints.sampling import sample_constraints, type_weights
from ifrl_core.errors import ConstraintError
from ifrl_core.instructions.corridor import inside, mean_rate, next_weights

RATES = {"a:never": 0.02, "a:seldom": 0.2, "a:even": 0.5, "a:often": 0.8, "a:always": 0.98}
UNIFORM = sum(RATES.values()) / len(RATES)
rates = st.dictionaries(st.sampled_from([f"t:{n}" for n in range(12)]), st.floats(0, 1), min_size=2)


def expected_levels(weights: list[dict[str, float]]) -> list[float]:
    """The pass rate that each level has when types are drawn by these weights."""
    means = [mean_rate(of_level, RATES, 0.0) for of_level in weights]
    return [sum(means[:k]) / k for k in range(1, len(means) + 1)]


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.8), (0.1, 0.3), (0.4, 0.6)])
def test_levels_outside_the_corridor_are_moved_inside(low: float, high: float) -> None:
    moved = expected_levels(next_weights([{}], RATES, [UNIFORM] * 4, (low, high)))
    assert inside(moved, (low, high))


def test_only_the_level_that_is_too_hard_gets_easier_constraints() -> None:
    moved = next_weights([{}], RATES, [0.5, 0.5, 0.3], (0.4, 0.6))
    assert moved[:2] == [{}, {}]
    assert mean_rate(moved[2], RATES, 0.0) > UNIFORM + 0.15


def test_a_level_that_no_constraint_could_bring_in_gets_the_easiest_and_keeps_the_others_alive() -> None:
    (only,) = next_weights([{}], RATES, [0.0], (0.9, 1.0))
    assert max(only, key=lambda name: only[name]) == "a:always"
    assert min(only.values()) > 0


def test_levels_that_were_not_measured_keep_their_weights() -> None:
    assert next_weights([{"a:even": 2.0}], RATES, [None, None], (0.4, 0.6)) == [{"a:even": 2.0}] * 2


@given(rates, st.lists(st.floats(0, 1) | st.none(), min_size=1, max_size=5), st.floats(0.05, 0.5))
def test_weights_stay_finite_and_positive_over_many_rounds(
    rates: dict[str, float], measured: list[float | None], low: float
) -> None:
    weights: list[dict[str, float]] = [{}]
    for _ in range(30):
        weights = next_weights(weights, rates, measured, (low, low + 0.3))
    assert len(weights) == len(measured)
    assert all(0 < weight <= 1 for of_level in weights for weight in of_level.values())


def test_each_constraint_is_drawn_by_the_weights_of_its_level() -> None:
    types = ["punctuation:no_comma", "words:no_contractions"]
    weights = [{types[0]: 0.0}, {types[1]: 0.0}]
    for n in range(20):
        drawn = sample_constraints("Hi.", 2, random.Random(n), types=types, hard_share=1.0, weights=weights)
        assert [constraint.type for constraint in drawn] == [types[1], types[0]]


def test_a_types_own_weight_goes_before_its_familys() -> None:
    weights = type_weights({"tone:tone": 3.0, "tone:": 0.5})
    assert weights["tone:tone"] == 3.0
    assert {weight for name, weight in weights.items() if name != "tone:tone"} <= {0.5}
    with pytest.raises(ConstraintError, match="no constraint type or family is called 'tune:'"):
        type_weights({"tune:": 1.0})
