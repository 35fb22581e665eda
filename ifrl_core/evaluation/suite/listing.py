"""What benchmarks there are, and what each needs of who runs it."""

from collections.abc import Iterable
from typing import Any

from ifrl_core.evaluation.suite.benchmark import Benchmark

_NEEDS = {"judge": "a judge (--judge)", "code": "leave to run code of its rows (--run-code)"}


def listing(benchmarks: Iterable[Benchmark]) -> list[dict[str, Any]]:
    """A row of JSON values a benchmark: name, title, source, licence, needs, metrics, how it is asked, columns, odd."""
    return [_row(benchmark) for benchmark in benchmarks]


def _row(benchmark: Benchmark) -> dict[str, Any]:
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "source": benchmark.source,
        "licence": benchmark.licence,
        "needs": ["file", *sorted(benchmark.needs)],
        "metrics": [metric.name for metric in benchmark.metrics],
        "asked": {
            "max_tokens": benchmark.max_tokens,
            "temperature": benchmark.temperature,
            "top_p": benchmark.top_p,
        },
        "answered": [{"columns": [*form.needs], "answer": [*form.answers]} for form in benchmark.answered],
        "odd": list(benchmark.odd),
    }


def listed(row: dict[str, Any]) -> str:
    """A row of `listing` for people."""
    asked = row["asked"]
    lines = {
        "from": row["source"],
        "licence": row["licence"],
        "needs": ", ".join(["the file of its rows", *(_NEEDS[need] for need in row["needs"][1:])]),
        "metrics": ", ".join(row["metrics"]),
        "asked": f"at most {asked['max_tokens']:,} tokens, temperature {asked['temperature']:g}, top_p {asked['top_p']:g}",
        "answers": "; or ".join(
            f"{', '.join(form['columns'])}, {' or '.join(form['answer'])}" for form in row["answered"]
        ),
        "odd": "; ".join(row["odd"]),
    }
    return "\n".join(
        [f"{row['name']:<18}{row['title']}", *(f"  {name:<9} {text}" for name, text in lines.items() if text)]
    )
