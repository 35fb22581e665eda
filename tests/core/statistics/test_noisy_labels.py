"""The AUC behind noisy labels, against brute force and by simulation of worlds in which the truth is known."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from ifrl_core.statistics.agreement import auc
from ifrl_core.statistics.noisy_labels import Clusters, Corrected, corrected_auc, excess, gap, spread

SHIFT = 0.8  # of the scores of what is true, in standard deviations
AUC = float(norm.cdf(SHIFT / 2**0.5))


def world(random: np.random.Generator, clusters: int = 60, *, leak: float = 0.0, flips: float = 0.35) -> dict[str, Any]:
    """Labels of 8 items a cluster in two strata that differ in base rate; `leak`: what scores know of the labels alone."""
    names = np.repeat(np.arange(clusters), 8)
    strata = np.tile([0, 0, 0, 0, 1, 1, 1, 1], clusters)
    label = np.tile([0, 1], clusters * 4)
    of_cluster = random.normal(size=clusters)[names]
    rate = np.where(label == 1, 0.5, 0.5 - flips) + np.where(strata == 1, 0.15, 0.0) + 0.1 * np.tanh(of_cluster)
    truth = random.random(len(label)) < rate
    score = random.normal(size=len(label)) + SHIFT * truth + leak * label + 3.0 * strata
    return {"score": score, "label": label, "truth": truth, "names": names.tolist(), "strata": strata.tolist()}


def corrected(found: dict[str, Any], level: float = 0.95) -> Corrected:
    clusters = Clusters.of(found["names"])
    above = excess(found["score"], found["label"], clusters, found["strata"])
    return corrected_auc(above, gap(found["truth"], found["label"], clusters, found["strata"]), level=level)


def test_leaving_out_a_cluster_is_counting_without_it() -> None:
    found = world(np.random.default_rng(1), 9)
    found["score"] = np.round(found["score"], 0)  # with ties
    clusters, label = Clusters.of(found["names"]), found["label"]
    pooled, within = excess(found["score"], label, clusters), excess(found["score"], label, clusters, found["strata"])
    worth = gap(found["truth"], label, clusters)
    for cluster in range(10):
        rest = np.array(found["names"]) != cluster  # of the last one nothing is left out
        assert pooled[cluster] == pytest.approx((auc(found["score"][rest], label[rest]) or 0) - 0.5)
        of_strata = [
            (auc(found["score"][part], label[part]) or 0) - 0.5
            for stratum in (0, 1)
            if (part := rest & (np.array(found["strata"]) == stratum)).any()
        ]
        assert within[cluster] == pytest.approx(np.mean(of_strata))  # equal weights: as many items in both
        true = [found["truth"][rest & (label == side)].mean() for side in (1, 0)]
        assert worth[cluster] == pytest.approx(true[0] - true[1])


def test_a_perfect_score_shows_little_on_poor_labels() -> None:
    """The figures of the glossary: shares .37 and .15 of true items."""
    label = np.repeat([1, 0], 100)
    truth = np.concatenate([np.arange(100) < 37, np.arange(100) < 15])
    clusters = Clusters.of(list(range(200)))
    found = corrected_auc(excess(truth, label, clusters), gap(truth, label, clusters))
    assert found.labels == pytest.approx(0.61)
    assert found.auc == pytest.approx(1.0)


def test_intervals_of_95_percent_hold_the_truth_about_that_often() -> None:
    random = np.random.default_rng(7)
    found = [corrected(world(random)) for _ in range(100)]
    assert 0.90 <= np.mean([one.low <= AUC <= one.high for one in found]) <= 0.99
    assert np.mean([one.auc is None or abs(one.high - one.low) > 0.05 for one in found]) > 0.95


def test_scores_that_know_the_labels_themselves_are_seen_not_to_obey() -> None:
    found = corrected(world(np.random.default_rng(3), 200, leak=1.0))
    assert found.low > AUC  # what leaks from the label is taken for skill, so hard types have to be held against rules


def test_labels_without_contrast_say_nothing() -> None:
    found = corrected(world(np.random.default_rng(6), flips=0.0))
    assert (found.auc, found.low, found.high) == (None, 0.0, 1.0)


def test_what_is_not_known_of_the_gap_widens_the_interval() -> None:
    found = world(np.random.default_rng(2))
    clusters = Clusters.of(found["names"])
    sides = (
        excess(found["score"], found["label"], clusters, found["strata"]),
        gap(found["truth"], found["label"], clusters),
    )
    known, unsure = corrected_auc(*sides), corrected_auc(*sides, further=0.05**2)
    assert unsure.auc == known.auc
    assert unsure.high - unsure.low > 1.1 * (known.high - known.low)


def test_one_class_or_one_cluster_is_no_auc() -> None:
    alone = Clusters.of([1, 1])
    assert corrected_auc(excess([1, 2], [0, 1], alone), gap([0, 1], [0, 1], alone)).auc is None
    assert np.isnan(excess([1, 2], [1, 1], Clusters.of([1, 2]))).all()


def test_spread_over_strata_is_what_errors_do_not_explain() -> None:
    random = np.random.default_rng(0)
    true = random.normal(0.3, 0.1, size=400)
    assert spread(true + random.normal(0, 0.05, size=400), [0.05] * 400) == pytest.approx(0.01, rel=0.3)
    assert spread(0.3 + random.normal(0, 0.05, size=400), [0.05] * 400) < 0.001
    assert spread([0.3], [0.1]) == 0.0
