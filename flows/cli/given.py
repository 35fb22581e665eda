"""Given answers on a benchmark, for `ifrl eval --answers`: the report, the graded rows, and the table."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.options import count_rows

if TYPE_CHECKING:
    from ifrl_core.evaluation.suite.benchmark import Benchmark

_MOST_REASONS = 5  # why rows are unscored, in a table


def report_on(
    suite: "Benchmark", path: str, answers: list[str], limit: int | None, output: Path | None, how: dict[str, Any]
) -> dict[str, Any]:
    """Grade each file of answers and write its rows; `path` is of the benchmark's rows where they are not in the files."""
    from ifrl_core.errors import InputError
    from ifrl_core.evaluation.suite.given import expected_columns, form_of, given_report, grade_file, targets

    forms = [form for file in answers if (form := form_of(suite, file)) is not None]
    if len(forms) == len(answers):
        files = list(zip(answers, forms, targets(suite, answers, output), strict=True))
        progress = count_rows if sys.stderr.isatty() else None
        report = given_report(suite, files, partial(grade_file, limit=limit, progress=progress, **how))
        if output is not None and output.is_dir():
            (output / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False))
        return report
    if not path:
        raise InputError(f"{', '.join(answers)}: expected rows with {expected_columns(suite)}")
    return _matched(suite, path, answers, limit, output, how)


def _matched(
    suite: "Benchmark", path: str, answers: list[str], limit: int | None, output: Path | None, how: dict[str, Any]
) -> dict[str, Any]:
    from ifrl_core.evaluation.suite.compare import compared
    from ifrl_core.evaluation.suite.given import write_matched
    from ifrl_core.evaluation.suite.score import figures, graded_by_rules, responses_of, write_graded
    from ifrl_core.report.benchmark_data import given_section
    from ifrl_core.report.stage import render_benchmarks
    from ifrl_core.row_files import is_row_file

    items = suite.read(path)[:limit]
    given = {file: responses_of(file, items, partial=limit is not None) for file in answers}
    rows = {file: graded_by_rules(suite, items, responses, **how) for file, responses in given.items()}
    report: dict[str, Any] = {"benchmark": suite.name, "rows": len(items)}
    report["answers"] = {file: figures(suite, of_file) for file, of_file in rows.items()}
    first, *others = rows
    report["differences"] = {file: compared(suite, rows[first], rows[file]) for file in others}
    if output is not None and is_row_file(output):
        write_matched(suite, Path(first), output, rows[first])
    elif output is not None:
        write_graded(output, suite, rows, report)
        section = given_section(suite, path, rows, report["answers"], how["reasoning"])
        (output / "report.html").write_text(render_benchmarks(suite.title, [section]))
    return report


def table(report: dict[str, Any]) -> str:
    """The figures of a report, a file after the other."""
    lines = [f"{report['benchmark']}: {report['rows']} rows"]
    for file, figures in report["answers"].items():
        lines.append(file)
        lines += [f"  {metric:<16}{_cell(values)}" for metric, values in figures["metrics"].items()]
        if file in report["differences"]:
            lines += [
                f"  {metric:<16}{_gain(values)}" for metric, values in report["differences"][file]["metrics"].items()
            ]
        reasons = list(figures.get("unscored", {}).items())
        lines += [f"  {rows} rows unscored: {reason}" for reason, rows in reasons[:_MOST_REASONS]]
        if len(reasons) > _MOST_REASONS:
            lines.append(f"  {len(reasons) - _MOST_REASONS} reasons more: see the column unscored")
        if "changed" in figures:
            lines.append(f"  {figures['changed']} rows had other verdicts before")
        if "output" in figures:
            lines.append(f"  rows with verdicts: {figures['output']}")
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
