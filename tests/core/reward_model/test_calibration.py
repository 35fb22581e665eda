"""Probabilities that mean what they say, on instructions that the scaling was not fitted on."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.reward_model.quality.calibration import Calibration, cross_fitted, fit, log_loss
from ifrl_core.statistics.agreement import auc, expected_calibration_error


def overconfident(count: int) -> tuple[list[float], list[bool], list[str]]:
    """Verdicts that follow sigmoid(z - 1), and a model that says sigmoid(3 z)."""
    source = random.Random(0)
    latent = [source.gauss(0, 1) for _ in range(count)]
    said = [1 / (1 + math.exp(-3 * z)) for z in latent]
    verdicts = [source.random() < 1 / (1 + math.exp(-(z - 1))) for z in latent]
    return said, verdicts, [f"i-{n // 4}" for n in range(count)]


def test_scaling_finds_the_relation_and_repairs_the_calibration_error_out_of_sample() -> None:
    said, verdicts, groups = overconfident(4000)
    scaling = fit(said, verdicts)
    assert scaling is not None
    assert abs(scaling.scale - 1 / 3) < 0.08
    assert abs(scaling.bias + 1) < 0.2
    made = [p for p in cross_fitted(said, verdicts, groups) if p is not None]
    truth = [int(v) for v in verdicts]
    assert expected_calibration_error(said, truth) > 0.2
    assert expected_calibration_error(made, truth) < 0.05
    assert abs(auc(made, truth) - auc(said, truth)) < 0.01  # type: ignore[operator]


def test_what_cannot_be_fitted_stays_as_it_is() -> None:
    assert fit([0.5] * 10, [True, False] * 5) is None  # too few
    assert fit([0.5] * 100, [True] * 99 + [False]) is None  # one kind
    backwards = [n / 100 for n in range(100)]
    assert fit(backwards, [p < 0.5 for p in backwards]) is None
    assert cross_fitted([0.3, None], [True, None], ["a", "b"]) == [0.3, None]


@given(st.floats(0, 1), st.floats(0.01, 10), st.floats(-10, 10))
def test_a_calibrated_probability_is_one(probability: float, scale: float, bias: float) -> None:
    assert 0 <= Calibration(scale, bias).apply(probability) <= 1
    assert abs(Calibration().apply(probability) - probability) < 1e-5


def test_scaling_makes_unseen_verdicts_likelier_where_it_helps_and_says_so_where_it_does_not() -> None:
    said, verdicts, groups = overconfident(400)
    made = [p for p in cross_fitted(said, verdicts, groups) if p is not None]
    assert log_loss(made, verdicts) < log_loss(said, verdicts)
    source = random.Random(3)
    right = [source.uniform(0.3, 0.7) for _ in range(30)]  # already calibrated, and few
    truth = [source.random() < p for p in right]
    again = [p for p in cross_fitted(right, truth, [f"i-{n}" for n in range(30)]) if p is not None]
    assert log_loss(again, truth) > log_loss(right, truth)
    assert math.isclose(log_loss([0.5, 0.5], [True, False]), math.log(2))
