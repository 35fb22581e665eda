"""`ifrl eval`: outside benchmarks on answers that a file holds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import ReasoningOption, TagsOption, reasoning_from

if TYPE_CHECKING:
    from ifrl_core.text.reasoning import Reasoning

app = typer.Typer()


@app.command("eval")
def evaluate(
    benchmark: Annotated[
        str | None, typer.Option(help="NAME=PATH: a benchmark and the file (or URL) of its rows")
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(help="A file of answers: rows with response, and id, key or prompt. Repeat to compare"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N rows")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A folder for figures and graded rows")] = None,
    reasoning: ReasoningOption = None,
    tags: TagsOption = None,
    list_: Annotated[bool, typer.Option("--list", help="What there is, what each needs and where to get it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures for scripts")] = False,
) -> None:
    """Grade answers on a benchmark by its rules; several files of answers stand side by side, with intervals."""
    from ifrl_core.evaluation.benchmarks.table import BENCHMARKS

    if list_:
        rows = [
            {"name": s.name, "title": s.title, "source": s.source, "licence": s.licence} for s in BENCHMARKS.values()
        ]
        typer.echo(json.dumps(rows, indent=2) if as_json else "\n".join(_listed(row) for row in rows))
        return
    if not benchmark or not answers or "=" not in benchmark:
        raise typer.BadParameter("give --benchmark NAME=PATH and --answers FILE, or --list")
    name, path = benchmark.split("=", 1)
    report = _report(name, path, answers, limit, output, reasoning_from(reasoning, tags))
    typer.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _table(report))


def _report(
    name: str, path: str, answers: list[str], limit: int | None, output: Path | None, reasoning: "Reasoning"
) -> dict[str, Any]:
    from ifrl_core.evaluation.benchmarks.table import benchmark_named
    from ifrl_core.evaluation.suite.compare import compared
    from ifrl_core.evaluation.suite.score import figures, graded_by_rules, responses_of, write_graded

    suite = benchmark_named(name)
    items = suite.read(path)[:limit]
    given = {file: responses_of(file, items, partial=limit is not None) for file in answers}
    rows = {file: graded_by_rules(suite, items, responses, reasoning) for file, responses in given.items()}
    report: dict[str, Any] = {"benchmark": suite.name, "rows": len(items)}
    report["answers"] = {file: figures(suite, of_file) for file, of_file in rows.items()}
    first, *others = rows
    report["differences"] = {file: compared(suite, rows[first], rows[file]) for file in others}
    if output is not None:
        write_graded(output, suite, rows, report)
    return report


def _listed(row: dict[str, str]) -> str:
    return f"{row['name']:<18}{row['title']}\n{'':<18}from {row['source']}\n{'':<18}licence {row['licence']}"


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['benchmark']}: {report['rows']} rows"]
    for file, figures in report["answers"].items():
        lines.append(file)
        lines += [f"  {metric:<16}{_cell(values)}" for metric, values in figures["metrics"].items()]
        if file in report["differences"]:
            lines += [
                f"  {metric:<16}{_gain(values)}" for metric, values in report["differences"][file]["metrics"].items()
            ]
    return "\n".join(lines)


def _cell(values: dict[str, Any]) -> str:
    unscored = f", {values['unscored']} unscored" if values["unscored"] else ""
    if values["mean"] is None:
        return f"not scored{unscored}"
    written = "{:6.1%}" if values["unit"] == "share" else "{:6.2f}"
    mean, low, high = (None if value is None else written.format(value) for value in _ends(values))
    interval = f" [{low.strip()}, {high.strip()}]" if low and high else " (one cluster: no interval)"
    return f"{mean}{interval}  n {values['n']}{unscored}"


def _gain(values: dict[str, Any]) -> str:
    if values["mean"] is None:
        return "no row scored on both sides"
    mean, low, high = (None if value is None else f"{value:+.1f}" for value in _ends(values))
    unit = "points" if values["unit"] == "share" else values["unit"]
    return f"{mean} {unit}{f' [{low}, {high}]' if low and high else ''} against the first"


def _ends(values: dict[str, Any]) -> tuple[float | None, ...]:
    return values["mean"], values["low"], values["high"]
