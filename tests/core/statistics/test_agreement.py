"""Agreement figures, against numbers worked by hand and the definitions of their sources."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from ifrl_core.statistics.agreement import (
    auc,
    expected_calibration_error,
    f1_score,
    kendall_tau,
    reliability_bins,
    roc_points,
)

BOTH_CLASSES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def test_kendall_tau_by_hand() -> None:
    assert kendall_tau([1, 2, 3], [1, 2, 3]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # pairs of (1,1) (2,3) (3,2): two concordant, one discordant: 1/3
    assert kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    # labels 0 0 1 with scores 1 2 3: two concordant, one tied in the labels: 2 / sqrt(2 * 3)
    assert kendall_tau([1, 2, 3], [0, 0, 1]) == pytest.approx(2 / 6**0.5)


@pytest.mark.parametrize("pair", [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([], []), ([1], [1])])
def test_kendall_tau_of_no_order_is_none(pair: tuple[list[float], list[float]]) -> None:
    assert kendall_tau(*pair) is None


def test_calibration_error_by_hand() -> None:
    # bin [0.2, 0.3): two items, mean 0.25, share 0.5, gap 0.25; bin [0.9, 1]: two items, mean 0.95, share 1, gap 0.05
    assert expected_calibration_error([0.2, 0.3 - 1e-9, 0.9, 1.0], [0, 1, 1, 1]) == pytest.approx(0.15)
    # 0.3 lies in the bin above: gaps 0.2 and 0.7, each weighing 1/2
    assert expected_calibration_error([0.2, 0.3], [0, 1]) == pytest.approx(0.45)
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0
    assert expected_calibration_error([1.0, 0.0], [0, 1]) == 1
    assert expected_calibration_error([], []) is None


def test_auc_by_hand() -> None:
    # positives 0.8, 0.4 against negatives 0.4, 0.1: won 1, 1, tie 1/2, won 1: 3.5 / 4
    assert auc([0.8, 0.4, 0.4, 0.1], [1, 1, 0, 0]) == 0.875


def test_auc_of_one_class_is_none() -> None:
    assert auc([0.2, 0.4], [1, 1]) is None
    assert auc([0.2, 0.4], [0, 0]) is None
    assert auc([], []) is None


@given(BOTH_CLASSES)
@settings(deadline=None)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, int]]) -> None:
    scores, labels = zip(*rows, strict=True)
    positives, negatives = ([score for score, label in rows if label == side] for side in (1, 0))
    won = sum((high > low) + (high == low) / 2 for high in positives for low in negatives)
    assert auc(scores, labels) == pytest.approx(won / len(positives) / len(negatives))


@given(BOTH_CLASSES)
@settings(deadline=None)
def test_the_area_under_the_roc_points_is_the_auc(rows: list[tuple[int, int]]) -> None:
    scores, labels = zip(*rows, strict=True)
    x, y = zip(*roc_points(scores, labels), strict=True)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(auc(scores, labels))


def test_there_is_no_roc_of_one_class() -> None:
    assert roc_points([0.2, 0.4], [1, 1]) == []
    assert roc_points([], []) == []


def test_f1_by_hand() -> None:
    assert f1_score([1, 1, 1, 0], [1, 0, 0, 1]) == 0.4  # 2 x 1 / (2 x 1 + 2 + 1)
    assert f1_score([0, 0], [1, 0]) == 0
    assert f1_score([0, 0], [0, 0]) is None


def test_reliability_bins_hold_every_item_and_give_the_calibration_error() -> None:
    prob, label = [0.05, 0.1, 0.19, 0.95, 1.0], [0, 1, 0, 1, 1]
    bins = reliability_bins(prob, label)
    assert [count for _, _, count in bins] == [1, 2, 2]
    assert bins[1] == pytest.approx((0.145, 0.5, 2))
    gaps = sum(abs(stated - observed) * count for stated, observed, count in bins)
    assert gaps / 5 == pytest.approx(expected_calibration_error(prob, label))
    assert reliability_bins([], []) == []


@given(st.lists(st.tuples(st.floats(0.001, 0.0999), st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=40))
@settings(deadline=None)
def test_off_the_edges_bins_are_those_of_sklearn(rows: list[tuple[float, int, int]]) -> None:
    prob, label = [tenth / 10 + rest for rest, tenth, _ in rows], [label for _, _, label in rows]
    observed, stated = calibration_curve(label, prob, n_bins=10)
    bins = np.array(reliability_bins(prob, label))
    assert bins[:, 0] == pytest.approx(stated)
    assert bins[:, 1] == pytest.approx(observed)


def test_unscored_or_impossible_values_are_refused() -> None:
    for call in (
        lambda: auc([np.nan, 1.0], [0, 1]),
        lambda: expected_calibration_error([0.1, None], [0, 1]),  # type: ignore[list-item]
    ):
        with pytest.raises(ValueError, match="unscored"):
            call()
    with pytest.raises(ValueError, match="outside"):
        expected_calibration_error([1.2], [1])
    with pytest.raises(ValueError, match="0 and 1"):
        auc([0.5, 0.6], [0, 2])
