"""Two sets of answers to the same rows: the paired difference in each metric."""

from collections.abc import Sequence

from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.suite.benchmark import Benchmark
from ifrl_core.evaluation.suite.score import GradedItem
from ifrl_core.stages.stage import Figures


def compared(benchmark: Benchmark, before: Sequence[GradedItem], after: Sequence[GradedItem]) -> Figures:
    """By metric, in points, over what both sides could score; resampled by cluster (see `difference`)."""
    return {
        metric.name: difference(
            [
                {"before": first, "after": second, "cluster": old.item.cluster}
                for old, new in zip(before, after, strict=True)
                for first, second in zip(old.marks[metric.name], new.marks[metric.name], strict=True)
                if first is not None and second is not None
            ]
        )
        for metric in benchmark.metrics
        if not metric.mean_of
    }
