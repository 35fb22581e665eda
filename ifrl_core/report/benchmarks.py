"""What the report shows of an outside benchmark, as plain JSON data: one section a benchmark, its models side by side.

Two models are before and after; of more, each stands against the first. Figures are those of `suite.score`, differences those
of `suite.compare`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ifrl_core.evaluation.suite.benchmark import Benchmark, Metric
from ifrl_core.evaluation.suite.compare import compared
from ifrl_core.evaluation.suite.score import GradedItem
from ifrl_core.report.benchmark_samples import samples
from ifrl_core.report.judge import judge_flags, judge_rows
from ifrl_core.text.reasoning import THINK, Reasoning

Section = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A model on a benchmark: `figures` of all its rows, with "judge" where one was asked and measured; `reasoning` of its
    responses; `counts` of its answers by name, such as how many were cut off."""

    name: str
    figures: Mapping[str, Any]
    rows: Sequence[GradedItem]
    counts: Mapping[str, int] = field(default_factory=dict)
    reasoning: Reasoning = THINK


def benchmark_section(
    label: str, benchmark: Benchmark, sides: Sequence[Side], *, made_with: Mapping[str, str]
) -> Section:
    """The section of a benchmark; `label`: its name in the recipe. `made_with` names what scores depend on beside the
    answers: the data's hash, the scorer's version, the judge with its digest, the templates' hashes."""
    figures = [side.figures for side in sides]
    changes = [compared(benchmark, sides[0].rows, side.rows) for side in sides[1:]]
    names, judges = [side.name for side in sides], [of.get("judge") for of in figures]
    return {
        "label": label,
        **{name: getattr(benchmark, name) for name in ("name", "source", "licence")},
        "title": benchmark.title if label == benchmark.name else f"{benchmark.title}, {label.partition(':')[2]}",
        "known": list(benchmark.odd),
        "judged": "judge" in benchmark.needs,
        "models": names,
        "items": figures[0]["items"],
        "samples": figures[0]["samples"],
        "clustered": any(row.item.cluster not in ("", row.item.id) for row in sides[0].rows),
        "metrics": [
            {
                **_row(metric, [of["metrics"] for of in figures], [of["metrics"] for of in changes]),
                "anchors": [asdict(anchor) for anchor in benchmark.anchors if anchor.metric == metric.name],
            }
            for metric in benchmark.metrics
        ],
        "slices": [_slice(benchmark, name, figures, changes) for name in figures[0]["slices"]],
        "notes": _counts([of["notes"] for of in figures]),
        "counts": _counts([side.counts for side in sides]),
        "odd": figures[0]["odd"],
        "unscored": _unscored(benchmark, figures),
        "judges": judges,
        "judge_figures": judge_rows(judges),
        "flags": judge_flags(names, judges),
        "made_with": dict(made_with),
        "rows": samples(label, benchmark.metrics[0], {side.name: (side.rows, side.reasoning) for side in sides}),
    }


def _slice(
    benchmark: Benchmark, name: str, figures: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
) -> Section:
    """{"name", "groups", "metrics": [{"name", "unit", "rows"}]}: a table for each metric that any value has marks of."""
    values = list(dict.fromkeys(value for of in figures for value in of["slices"].get(name, {})))
    cells = {
        value: [[of["slices"].get(name, {}).get(value, {}) for of in sides] for sides in (figures, changes)]
        for value in values
    }
    tables = []
    for metric in benchmark.metrics:
        rows = [{"value": value, **_row(metric, *of_value)} for value, of_value in cells.items()]
        scored = [row for row in rows if any(cell and cell["n"] for cell in row["figures"])]
        if scored:
            tables.append({"name": metric.name, "unit": metric.unit, "rows": scored})
    return {"name": name, "groups": len(values), "metrics": tables}


def _row(metric: Metric, figures: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> Section:
    """A metric of each model, and what it is against the first (None of the first itself)."""
    return {
        "name": metric.name,
        "unit": metric.unit,
        "figures": [of.get(metric.name) for of in figures],
        "changes": [None, *(of.get(metric.name) for of in changes)],
    }


def _unscored(benchmark: Benchmark, figures: Sequence[Mapping[str, Any]]) -> list[Section]:
    """As `_counts`: marks that could not be scored; metrics with equal counts in one line."""
    names: dict[tuple[int, ...], list[str]] = {}
    for metric in benchmark.metrics:
        names.setdefault(tuple(of["metrics"][metric.name]["unscored"] for of in figures), []).append(metric.name)
    return [
        {"name": f"unscored marks of {', '.join(of)}", "counts": list(counts)}
        for counts, of in names.items()
        if any(counts)
    ]


def _counts(counts: Sequence[Mapping[str, int]]) -> list[Section]:
    """[{"name", "counts": one a model}] of what any model has."""
    names = dict.fromkeys(name for of in counts for name, count in of.items() if count)
    return [{"name": name, "counts": [of.get(name, 0) for of in counts]} for name in names]
