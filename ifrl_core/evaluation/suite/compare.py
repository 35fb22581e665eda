"""Two sets of answers to the same rows: the paired difference in each metric."""

from collections.abc import Sequence

from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.suite.item import Suite
from ifrl_core.evaluation.suite.score import Graded
from ifrl_core.stages.stage import Figures


def compared(suite: Suite, before: Sequence[Graded], after: Sequence[Graded]) -> Figures:
    """By metric, in points, over what both sides could score; resampled by cluster (see `difference`)."""
    return {
        metric: difference(
            [
                {"before": first, "after": second, "cluster": old.item.cluster}
                for old, new in zip(before, after, strict=True)
                for first, second in zip(old.marks[metric], new.marks[metric], strict=True)
                if first is not None and second is not None
            ]
        )
        for metric in suite.metrics
    }
