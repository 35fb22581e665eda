"""The difference of two models on the same items, with a 95% interval and what one at another level is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.intervals import Estimate, Interval, paired_difference, student_quantile
from ifrl_core.statistics.power import ERROR

POINTS = 100.0  # of a share


def difference(pairs: Sequence[Row], *, scale: float = POINTS) -> Figures:
    """{"before", "after", "mean", "low", "high", "n", "units", "fell", "rose", "error", "skewness"}: means and their
    difference times `scale`; nulls when n is 0.

    A pair has `before`, `after` and `cluster`, what is independent: the instruction for constraints, because those of one
    answer are not, and the prompt elsewhere. `n` counts pairs, `units` clusters, `fell` and `rose` those of them that did.
    Values are shares where `scale` is POINTS.
    """
    if not pairs:
        nothing = dict.fromkeys(("before", "after", "mean", "low", "high", "error", "skewness"))
        return {**nothing, "n": 0, "units": 0, "fell": 0, "rose": 0}
    before = np.array([float(pair["before"]) for pair in pairs]) * scale
    after = np.array([float(pair["after"]) for pair in pairs]) * scale
    clusters = [pair["cluster"] for pair in pairs]
    estimate = paired_difference(before, after, clusters=clusters, reach=scale if scale == POINTS else None)
    interval = estimate.interval()
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": len(pairs),
        "units": interval.units,
        "fell": estimate.fell,
        "rose": estimate.rose,
        "error": estimate.error,
        "skewness": estimate.skewness,
    }


def interval_of(row: Mapping[str, Any], error: float, *, reach: float | None = POINTS) -> Interval:
    """The interval of figures of `difference` of which each end is wrong with probability `error`; that of 95% as it
    stands."""
    if error == ERROR:
        return Interval(row["mean"], row["low"], row["high"], int(row["units"]))
    return estimate_of(row, reach=reach).interval(1 - 2 * error)


def estimate_of(row: Mapping[str, Any], *, reach: float | None = POINTS) -> Estimate:
    """The estimate behind figures of `difference`; of figures without its error, as much as their interval tells."""
    units = int(row["units"])
    if row.get("error") is None:
        half = (row["high"] - row["low"]) / 2
        return Estimate(row["mean"], half / student_quantile(1 - ERROR, max(1, units - 1)), 0.0, units, reach)
    known = (row["mean"], row["error"], row["skewness"], units, reach)
    return Estimate(*known, fell=row["fell"], rose=row["rose"])
