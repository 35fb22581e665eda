"""Benchmarks on the curve: those of the recipe that no judge is needed for, their headline at every N-th step.

Nothing is ever chosen by them. They are asked as the run's own instructions are: greedily, once, answers as long as in
training. The stage copies their rows into the folder of the job: at most MEASURED_AT_MOST, in whole clusters, of those whose
first prompt fits.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import Field

from ifrl_core.config import MEASURED_AT_MOST, PipelineConfig, StageConfig
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.suite.answers import history
from ifrl_core.evaluation.suite.benchmark import Benchmark, Item, Question, Terms, settled
from ifrl_core.evaluation.suite.rows import (
    BenchmarkSource,
    asked_benchmarks,
    benchmark_source,
    chosen,
    items_in,
    items_table,
    name_of,
    read_items,
)
from ifrl_core.evaluation.suite.score import GradedItem, figures
from ifrl_core.policy.curve import Ask
from ifrl_core.records import Message, Row
from ifrl_core.text.reasoning import Reasoning, answer_of

_LIST, _ITEMS = "benchmarks.json", "benchmark-{}.parquet"


class Measured(StageConfig):
    """Benchmarks by label, and the terms that they are graded by."""

    sources: Mapping[str, BenchmarkSource] = Field(default_factory=dict)
    official: bool = False
    run_code: bool = False


def measured_benchmarks(recipe: PipelineConfig) -> Measured:
    """Those that are measured while a recipe trains its policy: of `evaluation`, without a judge, with files of their own."""
    if recipe.policy.evaluate_every is None:
        return Measured()
    section = recipe.evaluation
    sources = {
        label: benchmark_source(label, asked)
        for label, asked in asked_benchmarks(recipe).items()
        if asked.path and "judge" not in benchmark_named(name_of(label)).needs
    }
    return Measured(sources=sources, official=section.official, run_code=section.run_code)


def write_sets(measured: Measured, folder: Path, fits: Callable[[Sequence[Message]], bool]) -> None:
    """Put the rows into the folder of a job.

    Raises:
        InputError: when a file cannot be read, or none of its rows fits.
    """
    if not measured.sources:
        return
    listed: list[list[str]] = []
    for label, source in measured.sources.items():
        items = read_items(source.benchmark, dict(zip(source.names, source.paths, strict=True)))
        fitting = [item for item in items if fits(item.turns[0])]
        if not fitting:
            raise InputError(
                f"policy.evaluate_every measures {label}, and none of its {len(items)} prompts is within "
                "policy.max_prompt_tokens: raise that, or leave it out of evaluation.benchmarks"
            )
        kept = chosen(fitting, min(MEASURED_AT_MOST, source.limit or MEASURED_AT_MOST))
        pq.write_table(items_table(kept), folder / _ITEMS.format(len(listed)))
        listed.append([label, source.benchmark])
    terms = asdict(Terms(official=measured.official, run_code=measured.run_code))
    (folder / _LIST).write_text(json.dumps({"terms": terms, "benchmarks": listed}) + "\n")


def read_sets(folder: Path, reasoning: Reasoning) -> list["BenchmarkSet"]:
    """What `write_sets` put there."""
    if not (folder / _LIST).exists():
        return []
    document = json.loads((folder / _LIST).read_text())
    terms = Terms(**document["terms"])
    return [
        BenchmarkSet(
            label, benchmark_named(name), items_in(pq.read_table(folder / _ITEMS.format(place))), terms, reasoning
        )
        for place, (label, name) in enumerate(document["benchmarks"])
    ]


class BenchmarkSet:
    """Rows of a benchmark, asked turn by turn with the policy's own answers in the history."""

    def __init__(
        self, label: str, benchmark: Benchmark, items: Sequence[Item], terms: Terms, reasoning: Reasoning
    ) -> None:
        self._name, self._benchmark, self._items = label.replace(":", "-"), benchmark, items
        self._terms, self._reasoning = terms, reasoning

    def answers(self, ask: Ask) -> list[list[str]]:
        """Of each item its answers, one a turn."""
        given: list[list[str]] = [[] for _ in self._items]
        for turn in range(max(len(item.turns) for item in self._items)):
            places = [place for place, item in enumerate(self._items) if turn < len(item.turns)]
            texts = ask([history(self._items[place], given[place]) for place in places])
            for place, text in zip(places, texts, strict=True):
                given[place].append(answer_of(text, self._reasoning))
        return given

    def point(self, answers: Sequence[Sequence[str]]) -> Row | None:
        """The benchmark's first metric; what cannot be scored is left out."""
        with self._benchmark.grade(self._terms) as grade:
            rows = [
                GradedItem(item, said[-1], settled(grade(item, said), _nobody))
                for item, said in zip(self._items, answers, strict=True)
            ]
        headline = self._benchmark.metrics[0].name
        found: Mapping[str, float | int | None] = figures(self._benchmark, rows)["metrics"][headline]
        if found["mean"] is None:
            return None
        return {
            "set": self._name,
            "metric": headline,
            **{name: found[name] for name in ("mean", "low", "high", "clusters", "n")},
        }


def _nobody(questions: Sequence[Question]) -> list[None]:
    return [None] * len(questions)
