"""The bootstrap over clusters, against scipy's, the gate's intervals, and what can be worked by hand."""

import numpy as np
import pytest

from ifrl_core.statistics.bootstrap import (
    Mean,
    bootstrap_difference,
    bootstrap_mean,
    clustered,
    harmonic_percent,
    over_groups,
    pooled,
)
from ifrl_core.statistics.intervals import cluster_mean, paired_difference


def drawn(seed: int, clusters: int = 60, each: int = 4) -> tuple[np.ndarray, list[int]]:
    """Marks whose chance differs by cluster."""
    source = np.random.default_rng(seed)
    chance = np.repeat(np.random.default_rng(0).random(clusters) * 0.8 + 0.05 * seed, each)
    return (source.random(clusters * each) < chance).astype(float), [i // each for i in range(clusters * each)]


def test_on_independent_values_it_is_scipys() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=40)
    expected = bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=4).confidence_interval
    found = bootstrap_mean(clustered(values, range(40)))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_over_clusters_it_agrees_with_the_gates_interval() -> None:
    (before, clusters), (after, _) = drawn(1), drawn(3)
    for of, gate in (
        (bootstrap_mean(clustered(after, clusters), bounds=(0, 1)), cluster_mean(after, clusters=clusters)),
        (
            bootstrap_difference(clustered(before, clusters), clustered(after, clusters), reach=1),
            paired_difference(before, after, clusters=clusters, reach=1),
        ),
    ):
        interval = gate.interval()
        assert (of.mean, of.clusters) == (pytest.approx(interval.mean), interval.units)
        assert (of.low, of.high) == pytest.approx((interval.low, interval.high), abs=0.015)


def test_a_cluster_is_one_unit_and_a_model_pairs_with_itself() -> None:
    values, clusters = drawn(2)
    copies = [np.tile(values, 5), clusters * 5]
    once, often = bootstrap_mean(clustered(values, clusters)), bootstrap_mean(clustered(*copies))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    same = clustered(values, clusters)
    assert bootstrap_difference(same, same) == Mean(0.0, 0.0, 0.0, 60)


def test_groups_are_combined_in_every_resample() -> None:
    shares = clustered([1, 1, 1, 0, 0, 1], "abcdef", "xxxxyy")
    assert pooled(shares.sums.sum(0), shares.counts.sum(0)) == pytest.approx(4 / 6)
    assert bootstrap_mean(shares, over_groups).mean == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert bootstrap_mean(shares, harmonic_percent).mean == pytest.approx(2 / (1 / 76 + 1 / 51) / 100)
    # A group of two in thirty makes half of the plain mean, so that its spread is what is seen.
    uneven = clustered([1, 0] * 15, range(30), "xx" + "y" * 28)
    plain, weighted = (bootstrap_mean(uneven, combine) for combine in (over_groups, pooled))
    assert plain.mean == weighted.mean == 0.5
    assert (plain.low or 0) < (weighted.low or 0) - 0.05


def test_what_no_cluster_shows_is_not_excluded() -> None:
    nothing = bootstrap_mean(clustered([0.0] * 300, range(300)), bounds=(0, 1))
    assert (nothing.low, nothing.high) == (0, pytest.approx(1 - 0.025 ** (1 / 300)))
    everything = bootstrap_mean(clustered([1.0] * 10, range(10)), bounds=(0, 1))
    assert (everything.low, everything.high) == (pytest.approx(0.025**0.1), 1)
    before, after = clustered([0.0] * 8, range(8)), clustered([1.0] * 2 + [0.0] * 6, range(8))
    gate = paired_difference([0.0] * 8, [1.0] * 2 + [0.0] * 6, reach=1.0).interval()
    assert bootstrap_difference(before, after, reach=1.0).low == pytest.approx(gate.low)


def test_one_cluster_has_no_interval() -> None:
    assert bootstrap_mean(clustered([0, 1], "aa")) == Mean(0.5, None, None, 1)
    with pytest.raises(ValueError, match="values is empty"):
        clustered([], [])
    with pytest.raises(ValueError, match="1 clusters and 2 groups for 2 values"):
        clustered([0, 1], "a")
    with pytest.raises(ValueError, match="2 clusters before and 1 after"):
        bootstrap_difference(clustered([0, 1], "ab"), clustered([0], "a"))
