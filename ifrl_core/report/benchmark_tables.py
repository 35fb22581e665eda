"""Benchmarks for where people look: a table in Prefect, metrics in MLflow, a summary in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ifrl_core.report.benchmarks import Section
from ifrl_core.report.text import NOTHING, measured, measured_interval, shift, things


def table_rows(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """A row for each metric of each benchmark: its models, their change against the first, and who judged."""
    rows = []
    for section in sections:
        for row in section["metrics"]:
            models = dict(zip(section["models"], row["figures"], strict=True))
            rows.append(
                {
                    "benchmark": section["label"],
                    "metric": row["name"],
                    **{model: _cell(figure, row["unit"]) for model, figure in models.items()},
                    **dict(_changes(section, row)),
                    "marks": row["figures"][0]["n"],
                    "unscored": max(figure["unscored"] for figure in row["figures"]),
                    "judge": judged_by(section),
                }
            )
    return rows


def metric_values(label: str, figures: Mapping[str, Any]) -> dict[str, float]:
    """MLflow's metrics of one model on a benchmark: `benchmark/LABEL/METRIC`, with `_low` and `_high`, in the metric's unit;
    `benchmark/LABEL/unscored` counts marks of the headline; `benchmark/LABEL/judge/...` says what its judge is worth."""
    metrics = figures["metrics"]
    values = {
        f"{name}{suffix}": row[bound]
        for name, row in metrics.items()
        for suffix, bound in (("", "mean"), ("_low", "low"), ("_high", "high"))
    }
    values["unscored"] = next(iter(metrics.values()))["unscored"] if metrics else 0
    for name, row in (figures.get("judge") or {}).items():
        if isinstance(row, Mapping) and "mean" in row:
            values[f"judge/{name}"] = row["mean"]
    return {f"benchmark/{label}/{name}": float(value) for name, value in values.items() if value is not None}


def section_metrics(sections: Sequence[Section]) -> dict[str, float]:
    """`metric_values` of every model, its name before them: `after/benchmark/ifbench/prompt_loose`."""
    return {
        f"{model}/{name}": value
        for section in sections
        for place, model in enumerate(section["models"])
        for name, value in metric_values(
            section["label"],
            {
                "metrics": {row["name"]: row["figures"][place] for row in section["metrics"]},
                "judge": section["judges"][place],
            },
        ).items()
    }


def section_summary(section: Section) -> dict[str, Any]:
    """What scripts are told: {"judge", "flags", "metrics": {name: {"unit", MODEL: figures, "change"}}}; `change`: of the last
    model against the first, shares in points."""
    metrics = {
        row["name"]: {
            "unit": row["unit"],
            **dict(zip(section["models"], row["figures"], strict=True)),
            "change": row["changes"][-1],
        }
        for row in section["metrics"]
    }
    flags = [flag["title"] for flag in section["flags"]]
    return {"judge": judged_by(section), "flags": flags, "metrics": metrics}


def benchmarks_markdown(sections: Sequence[Section]) -> str:
    """The headline of each benchmark, and what is to be known before believing it."""
    parts = [
        "| benchmark | metric | model | figure [95%] | change [95%] | judge |\n| --- | --- | --- | --- | --- | --- |"
    ]
    for section in sections:
        row = section["metrics"][0]
        for model, figure, change in zip(section["models"], row["figures"], row["changes"], strict=True):
            cells = (section["label"], row["name"], model, _cell(figure, row["unit"]), _change(change, row["unit"]))
            parts[0] += "\n| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, judged_by(section))) + " |"
    for section in sections:
        parts += [f"> **{section['label']}: {flag['title']}.** {flag['text']}" for flag in section["flags"]]
        for odd in section["odd"]:
            ids = ", ".join(odd["ids"])
            parts.append(
                f"{section['label']}: {odd['what']} in {things(odd['rows'], 'row')} ({ids}), asked and graded as it stands."
            )
    return "\n\n".join(parts) + "\n"


def judged_by(section: Section) -> str:
    """Who judged, and whether that is worth anything."""
    judge = section["made_with"].get("judge")
    if judge is None:
        return "rules alone, for lack of a judge" if section["judged"] else "rules"
    if section["flags"]:
        return f"{judge}: {section['flags'][0]['short']}"
    return judge if section["judge_figures"] else f"{judge}: not measured"


def _changes(section: Section, row: Section) -> Iterator[tuple[str, str]]:
    for model, change in zip(section["models"][1:], row["changes"][1:], strict=True):
        yield ("change" if len(section["models"]) == 2 else f"change, {model}"), _change(change, row["unit"])


def _cell(figure: Mapping[str, Any] | None, unit: str) -> str:
    if figure is None or figure["mean"] is None:
        return NOTHING
    interval = measured_interval(figure["low"], figure["high"], unit)
    return measured(figure["mean"], unit) + (f" [{interval}]" if interval else "")


def _change(change: Mapping[str, Any] | None, unit: str) -> str:
    return NOTHING if change is None or change["mean"] is None else shift(change, unit)
