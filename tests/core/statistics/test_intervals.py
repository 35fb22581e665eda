"""Intervals, against numbers worked by hand and the formulas of their sources."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.statistics.intervals import (
    Estimate,
    Interval,
    cluster_mean,
    difference_of_shares,
    jackknife,
    paired_difference,
    wilson,
)


def test_the_paired_interval_is_of_the_difference() -> None:
    before, after = np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    found = paired_difference(before, after, reach=1.0)
    assert (found.mean, found.units) == (0.5, 4)  # (1 + 0 + 0 + 1) / 4
    assert found.error == pytest.approx(math.sqrt(1 / 12))  # variance 1/3 of four
    assert found.skewness == pytest.approx(0)
    interval = found.interval()
    assert (interval.low, interval.high) == pytest.approx((0.5 - 3.1824 * math.sqrt(1 / 12), 1.0), abs=1e-4)
    assert not interval.clear_of_zero


def test_pairing_removes_what_the_items_share() -> None:
    base = np.linspace(0, 1, 50)
    interval = paired_difference(base, base + 0.1 + 0.01 * np.sin(np.arange(50))).interval()
    assert interval.high - interval.low < 0.01
    assert interval.clear_of_zero
    assert paired_difference(base, base - 0.1).interval().clear_of_zero


def test_without_clusters_and_skewness_it_is_students_interval() -> None:
    from scipy.stats import t, ttest_1samp

    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0]) + 2
    found = cluster_mean(values).interval(0.9)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.low == pytest.approx(2 - t.ppf(0.95, 4) * np.std(values, ddof=1) / math.sqrt(5))


def test_the_side_of_the_tail_is_longer_and_the_other_is_not_shorter() -> None:
    values = np.array([0.0] * 9 + [10.0])
    up, down = cluster_mean(values), cluster_mean(-values)
    # skewness of one in ten: 8/3, by G1 times the root of 90 over 8; of the mean: over the root of ten
    longer = (8 / 3 * math.sqrt(90) / 8 / math.sqrt(10)) / 6 * (1 + 2 * 2.2622**2)
    assert up.error == pytest.approx(1)
    interval, mirrored = up.interval(), down.interval()
    assert (interval.low, interval.high) == pytest.approx((1 - 2.2622, 1 + 2.2622 + longer), abs=1e-3)
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low))


def test_a_mean_over_clusters_is_a_ratio_of_sums_and_leaves_out_one_at_a_time() -> None:
    # Clusters a (1, 1, 1), b (0), c (1): without a 1/2, without b 1, without c 3/4.
    found = cluster_mean([1, 1, 1, 0, 1], clusters=["a", "a", "a", "b", "c"])
    expected = jackknife(0.8, [0.5, 1.0, 0.75])
    assert (found.mean, found.error, found.skewness) == pytest.approx((0.8, expected.error, expected.skewness))
    assert (found.fell, found.rose) == (0, 2)
    assert found.error == pytest.approx(math.sqrt(2 / 3 * (0.3**2 + 0.2**2 + 0.05**2)))


def test_repeating_every_item_within_its_cluster_changes_nothing() -> None:
    values = np.random.default_rng(1).normal(size=30)
    plain = cluster_mean(values).interval()
    repeated = cluster_mean(np.repeat(values, 4), clusters=np.repeat(np.arange(30), 4)).interval()
    assert (repeated.low, repeated.high, repeated.units) == pytest.approx((plain.low, plain.high, 30))


def test_what_never_changed_may_change_in_as_many_as_would_be_missed() -> None:
    """Rule of three: of 60, a share p is missed with probability (1 - p)^60, which is 2.5 % at 5.96 %."""
    interval = cluster_mean(np.zeros(60), reach=100.0).interval()
    assert (interval.low, interval.high) == pytest.approx((-5.962, 5.962), abs=1e-3)
    rose = cluster_mean([100.0] * 12 + [0.0] * 48, reach=100.0).interval()
    assert rose.low <= 20 - 0.05962 * 120  # as much as 5.96 % that fall by 100 would take away
    assert cluster_mean(np.zeros(60)).interval() == Interval(0.0, 0.0, 0.0, 60), (
        "of what has no bounds nothing is known"
    )


def test_ends_keep_within_what_can_be() -> None:
    interval = cluster_mean([100.0, 100.0, -100.0], reach=100.0).interval()
    assert (interval.low, interval.high) == (-100.0, 100.0)


def test_a_difference_of_independent_estimates() -> None:
    found = Estimate(0.8, 0.03, 0.5, 40).minus(Estimate(0.7, 0.04, 0.0, 30))
    assert (found.mean, found.error, found.units) == pytest.approx((0.1, 0.05, 30))
    assert found.skewness == pytest.approx(0.5 * 0.03**3 / 0.05**3)


@pytest.mark.parametrize("clusters", [20, 60])
def test_neither_side_misses_the_truth_much_more_often_than_it_says(clusters: int) -> None:
    """Skewed data, where the percentile bootstrap misses one side 5 to 7 % of the time (benchmarks/gate_intervals.md)."""
    random = np.random.default_rng(clusters)
    intervals = [cluster_mean(random.exponential(size=clusters)).interval() for _ in range(600)]
    assert np.mean([interval.low > 1 for interval in intervals]) <= 0.02
    assert np.mean([interval.high < 1 for interval in intervals]) <= 0.05


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    # Exact, no draw: sum the binomial probability of every outcome whose interval holds the truth. Wilson's interval
    # is known to stay within a few points of its level away from the ends (Agresti and Coull 1998).
    from scipy.stats import binom

    for truth in (0.2, 0.5, 0.8):
        covered = sum(binom.pmf(k, 40, truth) for k in range(41) if wilson(k, 40).low <= truth <= wilson(k, 40).high)
        assert 0.92 <= covered <= 0.98


def test_wilson_by_hand() -> None:
    # n = 10, p = 0.5, z = 1.96: centre 0.5, half = 1.96 * sqrt(0.025 + 0.0096) / 1.38416 = 0.2634
    interval = wilson(5, 10)
    assert interval.mean == 0.5
    assert (interval.low, interval.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_wilson_at_the_ends_has_width_and_keeps_to_shares() -> None:
    # z² / (n + z²) = 3.8415 / 13.8415 = 0.2775
    assert (wilson(0, 10).low, wilson(0, 10).high) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert (wilson(10, 10).low, wilson(10, 10).high) == pytest.approx((0.7225, 1.0), abs=1e-4)


COUNTS = st.integers(1, 500).flatmap(
    lambda n: st.tuples(st.one_of(st.integers(0, n), st.sampled_from([0, n])), st.just(n))
)


def wilson_by_formula(successes: int, total: int) -> tuple[float, float]:
    """`(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)` for 95% (Wilson 1927)."""
    z, share = 1.959963984540054, successes / total
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    middle, scale = share + z * z / (2 * total), 1 + z * z / total
    return (middle - half) / scale, (middle + half) / scale


@given(COUNTS)
@settings(deadline=None)
def test_wilson_is_its_formula_and_holds_its_share(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)
    assert (interval.low, interval.high) == pytest.approx(wilson_by_formula(*counts), abs=1e-12)
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_newcombe_is_its_formula_and_holds_its_difference(first: tuple[int, int], second: tuple[int, int]) -> None:
    interval = difference_of_shares(first, second)
    (low_1, high_1), (low_2, high_2) = wilson_by_formula(*first), wilson_by_formula(*second)
    share_1, share_2 = first[0] / first[1], second[0] / second[1]
    low = share_1 - share_2 - np.hypot(share_1 - low_1, high_2 - share_2)
    high = share_1 - share_2 + np.hypot(high_1 - share_1, share_2 - low_2)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((share_1 - share_2, low, high), abs=1e-12)
    assert interval.units == first[1] + second[1]


@pytest.mark.parametrize("case", [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(*case)
    with pytest.raises(ValueError, match="successes"):
        difference_of_shares((1, 2), case)


def test_unscored_values_are_refused() -> None:
    for call in (
        lambda: cluster_mean([1.0, float("nan")]),
        lambda: paired_difference([1.0], [np.inf]),
    ):
        with pytest.raises(ValueError, match="unscored"):
            call()


def test_mismatched_or_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        cluster_mean([])
    with pytest.raises(ValueError, match="same items"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="one per value"):
        cluster_mean([1.0, 2.0], clusters=["a"])


def test_a_single_unit_is_never_clear_of_zero() -> None:
    assert not cluster_mean([1.0]).interval().clear_of_zero
    assert not cluster_mean([1.0, 1.0], clusters=["a", "a"], reach=1.0).interval().clear_of_zero
