"""Answers to a benchmark's rows become figures: each metric with its interval, overall and by slice."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.benchmark import Benchmark, Graded, Item, Marks, Question, Terms, settled
from ifrl_core.evaluation.suite.documents import documents
from ifrl_core.statistics.intervals import cluster_mean
from ifrl_core.text.reasoning import THINK, Reasoning, answer_of


@dataclass(frozen=True)
class GradedItem:
    """An item, the response to its last turn, and what it is worth."""

    item: Item
    response: str
    graded: Graded

    @property
    def marks(self) -> Marks:
        return self.graded.marks


def graded_by_rules(
    benchmark: Benchmark,
    items: Sequence[Item],
    responses: Sequence[str],
    reasoning: Reasoning = THINK,
    terms: Terms = Terms(),  # noqa: B008
) -> list[GradedItem]:
    """`responses[i]` answers `items[i]`; without an answer (reasoning that never ended) it is graded as empty.

    What a judge would have to say is unscored.
    """
    with benchmark.grade(terms) as grade:
        return [
            GradedItem(item, response, settled(grade(item, [answer_of(response, reasoning)]), _nobody))
            for item, response in zip(items, responses, strict=True)
        ]


def _nobody(questions: Sequence[Question]) -> list[None]:
    return [None] * len(questions)


def figures(benchmark: Benchmark, rows: Sequence[GradedItem]) -> dict[str, Any]:
    """`{"metrics": {name: {"mean", "low", "high", "n", "unscored"}}, "slices": {name: {value: {"mean", "n"}}}, "rows"}`.

    Shares in [0, 1]; intervals at 95 % over clusters; slices are of the headline. None where nothing could be
    scored.
    """
    headline = benchmark.metrics[0]
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        marks = [mark for name in headline.mean_of or (headline.name,) for mark in row.marks[name]]
        parts = {**{name: {value: marks} for name, value in row.item.slices.items()}, **row.graded.parts}
        for name, by_value in parts.items():
            for value, of_value in by_value.items():
                groups[name][value] += [mark for mark in of_value if mark is not None]
    own = {metric.name: _metric(rows, metric.name) for metric in benchmark.metrics if not metric.mean_of}
    means = {m.name: _mean_of([own[name] for name in m.mean_of]) for m in benchmark.metrics if m.mean_of}
    return {
        "metrics": {metric.name: (own | means)[metric.name] for metric in benchmark.metrics},
        "slices": {
            name: {value: _mean(marks) for value, marks in sorted(values.items())} for name, values in groups.items()
        },
        "rows": len(rows),
    }


def _metric(rows: Sequence[GradedItem], metric: str) -> dict[str, Any]:
    marks = [(mark, row.item.cluster) for row in rows for mark in row.marks[metric]]
    scored = [(mark, cluster) for mark, cluster in marks if mark is not None]
    unscored = len(marks) - len(scored)
    if not scored:
        return {"mean": None, "low": None, "high": None, "n": 0, "unscored": unscored}
    estimate = cluster_mean([mark for mark, _ in scored], clusters=[cluster for _, cluster in scored])
    interval = estimate.interval()
    bounds = {"mean": interval.mean, "low": max(0.0, interval.low), "high": min(1.0, interval.high)}
    return {**bounds, "n": len(scored), "unscored": unscored}


def _mean_of(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The plain mean of metrics; its interval is not known from theirs."""
    means = [metric["mean"] for metric in metrics]
    mean = None if None in means else sum(means) / len(means)
    counts = {count: max(metric[count] for metric in metrics) for count in ("n", "unscored")}
    return {"mean": mean, "low": None, "high": None, **counts}


def _mean(marks: Sequence[float]) -> dict[str, Any]:
    return {"mean": sum(marks) / len(marks) if marks else None, "n": len(marks)}


def responses_of(path: str, items: Sequence[Item], *, partial: bool = False) -> list[str]:
    """The responses of an answers file, in the order of `items`: rows with `response`, and `id`, `key` or `prompt`.

    `partial`: `items` are some of the benchmark's rows, and answers to others are passed over.

    Raises:
        InputError: for a row that names no item, one that is answered twice, an item without an answer, or items of one id.
    """
    by_id, by_prompt = {item.id: i for i, item in enumerate(items)}, {item.prompt: i for i, item in enumerate(items)}
    if len(by_id) < len(items):
        raise InputError(f"{len(items) - len(by_id)} rows of the benchmark have the key of another: give each its own")
    given: dict[int, str] = {}
    for number, row in enumerate(documents(path), start=1):
        place = _place(row, by_id, by_prompt)
        if place is None and partial:
            continue
        if place is None:
            raise InputError(f"{path} row {number}: its id, key or prompt is none of the benchmark's")
        response = row.get("response")
        if not isinstance(response, str):
            raise InputError(f"{path} row {number}: field 'response' is {type(response).__name__}; expected str")
        if place in given:
            raise InputError(f"{path} row {number}: {items[place].id!r} is answered twice")
        given[place] = response
    if len(given) < len(items):
        missing = next(item.id for place, item in enumerate(items) if place not in given)
        raise InputError(f"{path}: {len(items) - len(given)} rows of the benchmark have no answer, first {missing!r}")
    return [given[place] for place in range(len(items))]


def write_graded(
    folder: Path, benchmark: Benchmark, rows: Mapping[str, Sequence[GradedItem]], report: Mapping[str, Any]
) -> None:
    """`report.json` and, for each file of answers, `NAME.jsonl`: id, prompt, response and marks of every row."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False))
    for place, (file, of_file) in enumerate(rows.items()):
        lines = [
            {"id": row.item.id, "prompt": row.item.prompt, "response": row.response, "marks": dict(row.marks)}
            for row in of_file
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{place}-{Path(file).stem}-{benchmark.name}.jsonl").write_text(text)


def _place(row: Mapping[str, Any], by_id: Mapping[str, int], by_prompt: Mapping[str, int]) -> int | None:
    for name in ("id", "key"):
        if name in row:
            return by_id.get(str(row[name]))
    return by_prompt.get(str(row.get("prompt")))
