"""The difference of two models on the same items, with a paired bootstrap 95% interval."""

from collections.abc import Sequence

import numpy as np

from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.intervals import paired_bootstrap


def difference(pairs: Sequence[Row], *, scale: float = 100.0) -> Figures:
    """{"before", "after", "mean", "low", "high", "n", "units"}: means and their difference times `scale`; nulls when n is 0.

    A pair has `before`, `after` and `cluster`, what is resampled: the instruction for constraints, because those of one
    answer are not independent, and the prompt elsewhere. `n` counts pairs, `units` clusters.
    """
    if not pairs:
        return {"before": None, "after": None, "mean": None, "low": None, "high": None, "n": 0, "units": 0}
    before = np.array([float(pair["before"]) for pair in pairs]) * scale
    after = np.array([float(pair["after"]) for pair in pairs]) * scale
    interval = paired_bootstrap(before, after, clusters=np.array([pair["cluster"] for pair in pairs]))
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": len(pairs),
        "units": interval.units,
    }
