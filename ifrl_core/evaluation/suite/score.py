"""Answers to a benchmark's rows become figures: each metric with its interval, overall and by slice."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.benchmark import (
    RANGES,
    Benchmark,
    Graded,
    Item,
    Marks,
    Metric,
    Terms,
    nobody,
    settled,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.evaluation.suite.odd import odd_rows
from ifrl_core.records import Row
from ifrl_core.statistics.bootstrap import Combine, bootstrap_mean, clustered, harmonic_percent, over_groups, pooled
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
    responses: Sequence[str | Sequence[str]],
    reasoning: Reasoning = THINK,
    terms: Terms = Terms(),  # noqa: B008
) -> list[GradedItem]:
    """`responses[i]` answers `items[i]`, of several turns one each; without an answer (reasoning that never ended) it is
    graded as empty.

    What a judge would have to say is unscored.
    """
    turns = [[given] if isinstance(given, str) else list(given) for given in responses]
    with benchmark.grade(terms) as grade:
        return [
            GradedItem(item, of_item[-1], settled(grade(item, [answer_of(r, reasoning) for r in of_item]), nobody))
            for item, of_item in zip(items, turns, strict=True)
        ]


@dataclass(frozen=True)
class Mark:
    """A mark where figures are made: `place` is what it is paired by (item, sample, name, number), `group` whose mean it
    counts in."""

    place: tuple[str, int, str, int]
    value: float | None
    item: Item
    group: str

    @property
    def cluster(self) -> str:
        """What intervals resample whole: an item without a cluster is its own."""
        return self.item.cluster or self.item.id


Sliced = dict[str, dict[str, dict[str, list[Mark]]]]  # by slice, value and metric


def figures(benchmark: Benchmark, rows: Sequence[GradedItem]) -> dict[str, Any]:
    """`{"metrics": {name: {"mean", "low", "high", "n", "clusters", "unscored", "unit"}}, "slices": {slice: {value: {metric:
    {"mean", "low", "high", "n", "clusters"}}}}, "notes": {name: count}, "odd": [{"what", "rows", "ids"}], "items",
    "samples"}`.

    In the metric's unit (shares in [0, 1]); n counts marks. Intervals of 95 % are the bootstrap's over clusters, None for a
    single one; the mean is None where nothing could be scored. `rows` may hold several samples of an item.
    """
    whole, sliced = marks_of(benchmark, rows)
    notes: Counter[str] = Counter()
    for row in rows:
        notes.update(row.graded.notes)
    samples = Counter(row.item.id for row in rows)
    return {
        "metrics": {metric.name: _estimate(metric, whole[metric.name]) for metric in benchmark.metrics},
        "slices": {
            name: {
                value: {
                    metric.name: _cell(metric, of[metric.name]) for metric in benchmark.metrics if metric.name in of
                }
                for value, of in values.items()
            }
            for name, values in sliced.items()
        },
        "notes": dict(sorted(notes.items())),
        "odd": odd_rows(list({row.item.id: row.item for row in rows}.values())),
        "items": len(samples),
        "samples": max(samples.values(), default=0),
    }


def marks_of(benchmark: Benchmark, rows: Sequence[GradedItem]) -> tuple[dict[str, list[Mark]], Sliced]:
    """The marks of each metric, and those of each value of each slice, numbers in their order.

    Marks of a whole cluster (`Benchmark.of_cluster`) belong to no value where the cluster has several, as a ladder has
    levels. Parts of an item are of the headline.
    """
    numbered = _numbered(rows)
    whole = _with_marks_of_clusters(benchmark, numbered)
    spread: dict[tuple[str, str], set[str]] = defaultdict(set)
    for _, row in numbered:
        for name, value in row.item.slices.items():
            spread[name, row.item.cluster or row.item.id].add(value)
    sliced: Sliced = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    headline = benchmark.metrics[0]
    for (sample, alone), (_, with_all) in zip(numbered, whole, strict=True):
        item = alone.item
        for name, value in item.slices.items():
            row = with_all if len(spread[name, item.cluster or item.id]) == 1 else alone
            for metric in benchmark.metrics:
                sliced[name][value][metric.name] += _marks(metric, sample, row)
        for name, parts in alone.graded.parts.items():
            for value, marks in parts.items():
                sliced[name][value][headline.name] += [
                    Mark((item.id, sample, "", i), mark, item, "") for i, mark in enumerate(marks)
                ]
    return {
        metric.name: [mark for sample, row in whole for mark in _marks(metric, sample, row)]
        for metric in benchmark.metrics
    }, {name: dict(sorted(values.items(), key=_number_first)) for name, values in sliced.items()}


def combined(metric: Metric, marks: Sequence[Mark]) -> Combine | None:
    """How the metric is made of the means of the marks' groups; None where one that it has to have was not scored."""
    scored = {mark.group for mark in marks if mark.value is not None}
    if scored == {""}:
        return pooled
    if not scored or not scored.issuperset(metric.mean_of):
        return None
    return harmonic_percent if metric.harmonic else over_groups


def _numbered(rows: Sequence[GradedItem]) -> list[tuple[int, GradedItem]]:
    """The rows with the number of their sample among those of their item."""
    seen: Counter[str] = Counter()
    numbered = []
    for row in rows:
        numbered.append((seen[row.item.id], row))
        seen[row.item.id] += 1
    return numbered


def _with_marks_of_clusters(
    benchmark: Benchmark, rows: Sequence[tuple[int, GradedItem]]
) -> Sequence[tuple[int, GradedItem]]:
    """The rows with the marks that only whole clusters show, once for each sample."""
    if benchmark.of_cluster is None:
        return rows
    members: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, (sample, row) in enumerate(rows):
        members[row.item.cluster or row.item.id, sample].append(place)
    whole = list(rows)
    for (_, sample), places in members.items():
        added = benchmark.of_cluster([(rows[place][1].item, rows[place][1].graded) for place in places])
        first = rows[places[0]][1]
        marks = {**first.marks, **added}
        whole[places[0]] = (sample, replace(first, graded=replace(first.graded, marks=marks)))
    return whole


def _marks(metric: Metric, sample: int, row: GradedItem) -> list[Mark]:
    over = row.item.slices.get(metric.over, "") if metric.over else ""
    return [
        Mark((row.item.id, sample, name, i), mark, row.item, name if metric.mean_of else over)
        for name in metric.mean_of or (metric.name,)
        for i, mark in enumerate(row.marks.get(name, ()))
    ]


def _estimate(metric: Metric, marks: Sequence[Mark]) -> dict[str, Any]:
    scored = [(mark.value, mark.cluster, mark.group) for mark in marks if mark.value is not None]
    counts = {"n": len(scored), "unscored": len(marks) - len(scored), "unit": metric.unit}
    combine = combined(metric, marks)
    if combine is None:
        return {"mean": None, "low": None, "high": None, "clusters": 0, **counts}
    values, clusters, groups = zip(*scored, strict=True)
    bounds = RANGES[metric.unit]
    return {**asdict(bootstrap_mean(clustered(values, clusters, groups), combine, bounds=bounds)), **counts}


def _cell(metric: Metric, marks: Sequence[Mark]) -> dict[str, Any]:
    estimate = _estimate(metric, marks)
    return {name: estimate[name] for name in ("mean", "low", "high", "n", "clusters")}


def _number_first(named: tuple[str, Any]) -> tuple[int, str]:
    return (int(named[0]) if named[0].isdecimal() else -1, named[0])


def responses_of(path: str, items: Sequence[Item], *, partial: bool = False) -> list[list[str]]:
    """The responses of an answers file to each turn, in the order of `items`: rows with `response`, or of several turns a
    list `responses`, and `id`, `key` or `prompt`.

    `partial`: `items` are some of the benchmark's rows, and answers to others are passed over.

    Raises:
        InputError: for a row that names no item, one that is answered twice, an item without an answer, or items of one id.
    """
    by_id, by_prompt = {item.id: i for i, item in enumerate(items)}, {item.prompt: i for i, item in enumerate(items)}
    if len(by_id) < len(items):
        raise InputError(f"{len(items) - len(by_id)} rows of the benchmark have the key of another: give each its own")
    given: dict[int, list[str]] = {}
    for number, row in enumerate(documents(path), start=1):
        place = place_of(row, by_id, by_prompt)
        if place is None and partial:
            continue
        if place is None:
            raise InputError(f"{path} row {number}: its id, key or prompt is none of the benchmark's")
        if place in given:
            raise InputError(f"{path} row {number}: {items[place].id!r} is answered twice")
        given[place] = _responses(path, number, row, len(items[place].turns))
    if len(given) < len(items):
        missing = next(item.id for place, item in enumerate(items) if place not in given)
        raise InputError(f"{path}: {len(items) - len(given)} rows of the benchmark have no answer, first {missing!r}")
    return [given[place] for place in range(len(items))]


def _responses(path: str, number: int, row: Row, turns: int) -> list[str]:
    if turns == 1 and "responses" not in row:
        return [field(path, number, row, "response", str)]
    responses: list[str] = field(path, number, row, "responses", list)
    if len(responses) != turns or not all(isinstance(response, str) for response in responses):
        raise InputError(f"{path} row {number}: field 'responses' has to hold {turns} texts, one a turn")
    return responses


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


def place_of(row: Mapping[str, Any], by_id: Mapping[str, int], by_prompt: Mapping[str, int]) -> int | None:
    """Where the item is that a row of answers names by its `id`, `key` or `prompt`; None when it is none."""
    for name in ("id", "key"):
        if name in row:
            return by_id.get(str(row[name]))
    return by_prompt.get(str(row.get("prompt")))
