"""Two sets of answers to the same rows: the paired difference in each metric, overall and by slice."""

from collections.abc import Sequence
from typing import Any

from ifrl_core.evaluation.difference import POINTS
from ifrl_core.evaluation.suite.benchmark import RANGES, Benchmark, Metric
from ifrl_core.evaluation.suite.score import GradedItem, Mark, combined, marks_of
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.bootstrap import bootstrap_difference, clustered

Pair = tuple[Mark, float, float]


def compared(benchmark: Benchmark, before: Sequence[GradedItem], after: Sequence[GradedItem]) -> Figures:
    """`{"metrics": {name: row}, "slices": {slice: {value: {name: row}}}}`, a row being `{"before", "after", "mean", "low",
    "high", "n", "clusters", "left_out", "unit"}`: means and their difference, after minus before.

    Shares in percent and points, the rest in the metric's unit. Over the `n` marks that both sides could score; `left_out`
    counts the others. The interval of 95 % resamples the same clusters for both, and is None for a single one.
    """
    (first, first_sliced), (second, second_sliced) = (marks_of(benchmark, rows) for rows in (before, after))
    metrics = {metric.name: metric for metric in benchmark.metrics}
    return {
        "metrics": {name: _difference(metric, first[name], second[name]) for name, metric in metrics.items()},
        "slices": {
            name: {
                value: {
                    metric: _difference(
                        metrics[metric], marks, second_sliced.get(name, {}).get(value, {}).get(metric, [])
                    )
                    for metric, marks in of.items()
                }
                for value, of in values.items()
            }
            for name, values in first_sliced.items()
        },
    }


def _difference(metric: Metric, before: Sequence[Mark], after: Sequence[Mark]) -> dict[str, Any]:
    later = {mark.place: mark.value for mark in after}
    pairs: list[Pair] = [
        (mark, mark.value, value)
        for mark in before
        if mark.value is not None and (value := later.get(mark.place)) is not None
    ]
    places = {mark.place for mark in before} | later.keys()
    counts = {"n": len(pairs), "left_out": len(places) - len(pairs), "unit": metric.unit}
    return {**_of_pairs(metric, pairs), **counts}


def _of_pairs(metric: Metric, pairs: Sequence[Pair]) -> dict[str, Any]:
    marks = [mark for mark, *_ in pairs]
    combine = combined(metric, marks)
    if combine is None:
        return {**dict.fromkeys(("before", "after", "mean", "low", "high")), "clusters": 0}
    clusters, groups = [mark.cluster for mark in marks], [mark.group for mark in marks]
    before = clustered([value for _, value, _ in pairs], clusters, groups)
    after = clustered([value for *_, value in pairs], clusters, groups)
    scale = POINTS if metric.unit == "share" else 1.0
    low, high = RANGES[metric.unit]
    found = bootstrap_difference(before, after, combine, reach=high - low)
    means = [scale * float(combine(side.sums.sum(0), side.counts.sum(0))) for side in (before, after)]
    lower, upper = (None if end is None else scale * end for end in (found.low, found.high))
    changes = {"mean": scale * found.mean, "low": lower, "high": upper, "clusters": found.clusters}
    return {"before": means[0], "after": means[1], **changes}
