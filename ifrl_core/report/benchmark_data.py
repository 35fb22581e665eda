"""Sections of benchmarks from a run's artifacts (rows, and answers and judgements of each model), or from given files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.comparison import labels_of
from ifrl_core.evaluation.suite.benchmark import Benchmark
from ifrl_core.evaluation.suite.judgements import judged_items, scorer_version
from ifrl_core.evaluation.suite.rows import name_of
from ifrl_core.evaluation.suite.score import GradedItem
from ifrl_core.report.benchmarks import Section, Side, benchmark_section
from ifrl_core.row_files import split_name
from ifrl_core.text.reasoning import THINK, Reasoning

COUNTS = {  # figures of the stage `answers`
    "truncated": "answers cut off by the token budget",
    "unclosed": "responses that end inside their reasoning",
    "no_room": "prompts that leave no room to answer",
}


@dataclass(frozen=True)
class Measured:
    """A model on a benchmark, by its artifacts; `model` is how the report calls it."""

    model: str
    answers: ArtifactRef
    judgements: ArtifactRef


def before_and_after(inputs: Mapping[str, ArtifactRef], store: ArtifactStore) -> list[Section]:
    """The benchmarks that a run asked its base model and its policy, in the order of the recipe."""
    return [
        stored_section(
            label,
            inputs[f"benchmark.{label}"],
            [
                Measured(side, inputs[f"answers-{side}.{label}"], inputs[f"judgements-{side}.{label}"])
                for side in ("before", "after")
            ],
            store,
        )
        for label in labels_of(inputs)
    ]


def stored_section(label: str, rows: ArtifactRef, models: Sequence[Measured], store: ArtifactStore) -> Section:
    """The section of a benchmark; `rows`: its artifact."""
    sides = [_side(measured, rows, store) for measured in models]
    return benchmark_section(
        label, benchmark_named(name_of(label)), sides, made_with=_made_with(rows, models[0].judgements, store)
    )


def given_section(
    benchmark: Benchmark,
    rows: str,
    answers: Mapping[str, Sequence[GradedItem]],
    figures: Mapping[str, Mapping[str, Any]],
    reasoning: Reasoning,
) -> Section:
    """The section of a benchmark whose rows and answers are files; `answers` and their `figures` by file."""
    stems = [split_name(Path(file))[0] for file in answers]
    names = dict(zip(answers, stems if len(set(stems)) == len(stems) else list(answers), strict=True))
    sides = [Side(names[file], figures[file], graded, reasoning=reasoning) for file, graded in answers.items()]
    made_with = {"data": digest_of_source(rows), "scorer": scorer_version(benchmark)}
    return benchmark_section(benchmark.name, benchmark, sides, made_with=made_with)


def _side(measured: Measured, rows: ArtifactRef, store: ArtifactStore) -> Side:
    answers = store.manifest(measured.answers)
    return Side(
        measured.model,
        store.manifest(measured.judgements).figures,
        judged_items(measured.judgements, rows, measured.answers, store),
        {title: answers.figures.get(name, 0) for name, title in COUNTS.items()},
        Reasoning(**answers.config["reasoning"]) if "reasoning" in answers.config else THINK,
    )


def _made_with(rows: ArtifactRef, judgements: ArtifactRef, store: ArtifactStore) -> dict[str, str]:
    """What two scores have to share before they compare."""
    source, figures = store.manifest(rows).config, store.manifest(judgements).figures
    files = zip(source.get("names", ()), source.get("digests", ()), strict=True)
    return {
        **{f"data, {name}": digest for name, digest in files},
        "rows": rows.digest,
        "scorer": figures["scorer"],
        **figures.get("made_with", {}),
    }
