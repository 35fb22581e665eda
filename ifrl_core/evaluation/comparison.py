"""Before against after, in percentage points, after minus before: held-out instructions and the benchmarks of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.held_out import compared as compared_held_out
from ifrl_core.evaluation.stage import TABLE
from ifrl_core.evaluation.suite.judgements import judged_items
from ifrl_core.evaluation.suite.rows import GENERAL_LABEL, name_of
from ifrl_core.evaluation.suite.score import GradedItem
from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

IFEVAL_LABEL = "ifeval"
Sides = tuple[list[GradedItem], list[GradedItem]]


@stage(
    "comparison",
    version=5,
    inputs=("before", "after"),
    inputs_of_parts=("benchmark", "answers-before", "answers-after", "judgements-before", "judgements-after"),
    config=lambda recipe: NoConfig(),
)
def compare(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: before, after (evaluations of the same prompts); answers and judgements of both sides, by benchmark."""
    before, after = (work.store.read_table(inputs[side], TABLE).to_pylist() for side in ("before", "after"))
    figures = compared_held_out(before, after)
    for label in labels_of(inputs):
        sides = sides_of(label, inputs, work.store)
        if label == IFEVAL_LABEL:
            metrics = benchmark_named(name_of(label)).metrics
            figures["ifeval"] = {metric.name: gain(sides, metric.name) for metric in metrics}
        if label == GENERAL_LABEL:
            figures["general"] = {"overall": gain(sides, "accuracy"), "by_source": _by_source(sides)}
    work.writer.write_json("comparison.json", figures)
    return figures


compare_warm_start = replace(
    compare,
    label="comparison-warm-start",
    output="comparison_warm_start",
    title="Comparison of the warm start",
    config=lambda recipe: None if recipe.policy.warm_start is None else NoConfig(),
    optional=True,
)


def labels_of(inputs: Inputs) -> list[str]:
    """The benchmarks that both sides were asked, as they stand in the recipe."""
    return [name.partition(".")[2] for name in inputs if name.startswith("judgements-after.")]


def sides_of(label: str, inputs: Inputs, store: ArtifactStore) -> Sides:
    """The graded items of a benchmark before and after."""
    before, after = (_graded(side, label, inputs, store) for side in ("before", "after"))
    return before, after


def gain(sides: Sides, metric: str) -> Figures:
    """The difference in the marks of a metric that both sides have, with its interval over clusters."""
    pairs: list[Row] = [
        {"before": first, "after": second, "cluster": old.item.cluster}
        for old, new in zip(*sides, strict=True)
        for first, second in zip(old.marks[metric], new.marks[metric], strict=True)
        if first is not None and second is not None
    ]
    return difference(pairs)


def _by_source(sides: Sides) -> Mapping[str, Figures]:
    sources = sorted({row.item.slices.get("source", "") for row in sides[0]})
    before, after = sides
    return {source: gain((_from(source, before), _from(source, after)), "accuracy") for source in sources}


def _from(source: str, rows: Sequence[GradedItem]) -> list[GradedItem]:
    return [row for row in rows if row.item.slices.get("source", "") == source]


def _graded(side: str, label: str, inputs: Inputs, store: ArtifactStore) -> list[GradedItem]:
    judgements, benchmark, answers = (
        inputs[f"{name}.{label}"] for name in (f"judgements-{side}", "benchmark", f"answers-{side}")
    )
    return judged_items(judgements, benchmark, answers, store)
