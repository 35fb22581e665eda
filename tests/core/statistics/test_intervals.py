"""Intervals, against numbers worked by hand and the formulas of their sources."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.statistics.intervals import Interval, bootstrap_mean, difference_of_shares, paired_bootstrap, wilson


def test_the_paired_interval_is_of_the_difference() -> None:
    before, after = np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    interval = paired_bootstrap(before, after)
    assert interval.mean == 0.5  # (1 + 0 + 0 + 1) / 4
    assert interval.units == 4
    # Of the 16 equally likely counts of ones, binomial(4, 1/2): P(0) = P(4) = 1/16 > 0.025.
    assert (interval.low, interval.high) == (0.0, 1.0)
    assert not interval.clear_of_zero


def test_pairing_removes_what_the_items_share() -> None:
    base = np.linspace(0, 1, 50)
    interval = paired_bootstrap(base, base + 0.1)
    assert interval.low == pytest.approx(0.1)
    assert interval.high == pytest.approx(0.1)
    assert interval.clear_of_zero
    assert paired_bootstrap(base, base - 0.1).clear_of_zero


def test_the_bootstrap_meets_the_exact_quantiles_of_all_resamples() -> None:
    values = [0.0, 1.0, 5.0]
    means = [np.mean(resample) for resample in product(values, repeat=3)]  # 27 equally likely resamples
    interval = bootstrap_mean(values, samples=20_000, level=0.8)
    # The 10% and 90% points of the 27: the resamples (0,0,1) and (1,5,5) hold those places.
    assert interval.low == pytest.approx(np.quantile(means, 0.1, method="inverted_cdf")) == pytest.approx(1 / 3)
    assert interval.high == pytest.approx(np.quantile(means, 0.9, method="inverted_cdf")) == pytest.approx(11 / 3)


def test_a_resample_of_clusters_is_a_ratio_of_sums() -> None:
    # Clusters a (1, 1, 1) and b (0): resamples aa, ab, ba, bb have means 1, 3/4, 3/4, 0; a mean of cluster means
    # would have given 1/2 for ab.
    interval = bootstrap_mean([1, 1, 1, 0], clusters=["a", "a", "a", "b"], level=0.4)
    assert interval == Interval(mean=0.75, low=0.75, high=0.75, units=2)


def test_repeating_every_item_within_its_cluster_changes_nothing() -> None:
    values = np.random.default_rng(1).normal(size=30)
    plain = bootstrap_mean(values)
    repeated = bootstrap_mean(np.repeat(values, 4), clusters=np.repeat(np.arange(30), 4))
    assert (repeated.low, repeated.high, repeated.units) == pytest.approx((plain.low, plain.high, 30))


def test_the_same_seed_gives_the_same_interval_and_leaves_the_global_generator_alone() -> None:
    values = np.random.default_rng(0).normal(size=20)
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)
    assert np.random.random() == expected


def test_drawing_in_chunks_covers_every_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(20.0)
    whole = bootstrap_mean(values, samples=1_000)
    monkeypatch.setattr("ifrl_core.statistics.intervals._DRAWS_AT_ONCE", 140)  # 7 resamples at once; 1,000 % 7 = 6
    chunked = bootstrap_mean(values, samples=1_000)
    assert (chunked.low, chunked.high) == (whole.low, whole.high)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    # 400 experiments of 60 draws from an exponential with mean 1. True coverage is near 0.93 at this size; the bounds
    # 0.89 and 0.98 are 3 or more standard deviations (0.0128) away: a false alarm once in 700, were the seed not fixed.
    random = np.random.default_rng(0)
    hits = 0
    for experiment in range(400):
        interval = bootstrap_mean(random.exponential(size=60), samples=600, seed=experiment)
        hits += interval.low <= 1 <= interval.high
    assert 0.89 <= hits / 400 <= 0.98


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
        lambda: bootstrap_mean([1.0, float("nan")]),
        lambda: paired_bootstrap([1.0], [np.inf]),
    ):
        with pytest.raises(ValueError, match="unscored"):
            call()


def test_mismatched_or_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="one per value"):
        bootstrap_mean([1.0, 2.0], clusters=["a"])


def test_a_single_unit_is_never_clear_of_zero() -> None:
    assert not bootstrap_mean([1.0]).clear_of_zero
    assert not bootstrap_mean([1.0, 1.0], clusters=["a", "a"]).clear_of_zero


def test_the_exact_interval_contains_its_mean_for_small_samples() -> None:
    for values in combinations_with_replacement([0.0, 1.0], 4):
        interval = bootstrap_mean(values, samples=500)
        assert interval.low <= interval.mean <= interval.high
