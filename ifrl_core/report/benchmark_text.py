"""Benchmarks for a terminal and for scripts: models side by side, the worth of the judge beside what it judged."""

from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.evaluation.judge.reliability import spoken
from ifrl_core.report.benchmark_tables import judged_by, table_rows
from ifrl_core.report.benchmarks import Section
from ifrl_core.report.text import things

_LONGEST_NAME = 24  # characters of a column's heading
_ELSEWHERE = ("benchmark", "judge")  # columns of `table_rows` that a heading says once


def benchmarks_text(sections: Sequence[Section]) -> str:
    """A table a benchmark: metrics with their intervals, differences to the first model, then what is to be known of it.

    Models with long names are numbered, and listed first.
    """
    models = sections[0]["models"]
    if max(map(len, models)) <= _LONGEST_NAME:
        return "\n\n".join("\n".join(_lines(section)) for section in sections)
    numbers = [f"model {number}" for number in range(1, len(models) + 1)]
    legend = [f"{number}: {model}" for number, model in zip(numbers, models, strict=True)]
    return "\n\n".join(["\n".join(legend), *("\n".join(_lines({**of, "models": numbers})) for of in sections)])


def benchmarks_json(sections: Sequence[Section]) -> dict[str, Any]:
    """{label: {"items", "samples", "judge", "judges": by model, "flags", "made_with", "odd", "metrics": {name: {"unit",
    "models": {model: figures}, "differences": {model: against the first}}}}}."""
    return {section["label"]: _summary(section) for section in sections}


def _summary(section: Section) -> dict[str, Any]:
    models = section["models"]
    metrics = {
        row["name"]: {
            "unit": row["unit"],
            "models": dict(zip(models, row["figures"], strict=True)),
            "differences": dict(zip(models[1:], row["changes"][1:], strict=True)),
        }
        for row in section["metrics"]
    }
    as_they_are = {name: section[name] for name in ("items", "samples", "made_with", "odd")}
    flags = [flag["title"] for flag in section["flags"]]
    judges = dict(zip(models, section["judges"], strict=True)) if section["judged"] else {}
    return {**as_they_are, "judge": judged_by(section), "judges": judges, "flags": flags, "metrics": metrics}


def _lines(section: Section) -> list[str]:
    samples = f", {section['samples']} answers a row" if section["samples"] > 1 else ""
    rows = things(section["items"], "row")
    heading = f"{section['label']}: {section['title']}, {rows}{samples}, graded by {judged_by(section)}"
    cells = [{name: str(cell) for name, cell in row.items() if name not in _ELSEWHERE} for row in table_rows([section])]
    said = [
        f"  judge on answers of {model}: {spoken(judge)}"
        for model, judge in zip(section["models"], section["judges"], strict=True)
        if judge
    ]
    flags = [f"  {flag['title'].upper()}. {flag['text']}" for flag in section["flags"]]
    return [heading, *_aligned(cells), *said, *flags]


def _aligned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = [dict(zip(names, names, strict=True)), *rows]
    return ["  " + "  ".join(line[name].ljust(widths[name]) for name in names).rstrip() for line in lines]
