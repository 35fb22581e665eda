"""The report stage: one self-contained page of everything a run made, and the same as JSON.

report.html holds no script and names nothing outside itself (its content security policy forbids both), so it can be mailed,
archived and opened anywhere. Answers are untrusted text and escaped by the template.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.models.sentence_embedding import INSTALL
from ifrl_core.report import charts, text
from ifrl_core.report.data import Section, report_data
from ifrl_core.report.findings import direction, too_few
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

FILTERS = (
    text.percent,
    text.fixed,
    text.signed,
    text.interval,
    text.percent_interval,
    text.points,
    text.points_interval,
    text.duration,
    text.count,
    text.value,
    text.breakable,
    text.listing,
    text.turns,
    text.things,
    text.measured,
    text.measured_interval,
    direction,
)
CHARTS = (charts.dumbbell, charts.whisker, charts.reliability, charts.roc)
Named = list[tuple[str, Any]]


class ReportConfig(StageConfig):
    """What the page says of no artifact: the recipe's name, the model's URI, and of a retraining what its gate decided."""

    name: str
    model: str
    gate: dict[str, Any] | None = None


def report_config(recipe: PipelineConfig, gate: Section | None = None) -> ReportConfig:
    return ReportConfig(name=recipe.name, model=recipe.model, gate=gate)


def _templates(config: ReportConfig) -> dict[str, str]:
    return template_digests()


@stage(
    "report",
    version=5,
    config=report_config,
    content=_templates,
    seeded=False,
)
def write_report(config: ReportConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: refs by their outputs' names, those of the stages that ran. Writes report.html and report.json."""
    data = {**report_data(config.name, config.model, inputs, work.store), "gate": config.gate}
    page = render(data)
    work.writer.write_bytes("report.html", page.encode())
    work.writer.write_json("report.json", data)
    work.progress(1, 1, "report written")
    return {"html_bytes": len(page.encode()), "findings": len(data["findings"])}


def render(data: Section) -> str:
    """The page of `report_data`."""
    return _environment().get_template("report.html.jinja").render(data=data)


def render_benchmarks(name: str, sections: Sequence[Section]) -> str:
    """A page of benchmarks alone, self-contained as the report is; `sections` of `benchmark_section`."""
    return _environment().get_template("benchmarks.html.jinja").render(data={"name": name, "benchmarks": sections})


def by_change(rows: Mapping[str, Any]) -> Named:
    """The largest rise first; what was not measured last."""
    return sorted(rows.items(), key=lambda item: (item[1]["mean"] is None, -(item[1]["mean"] or 0), item[0]))


def by_frequency(rows: Mapping[str, Any]) -> Named:
    """The types with the most labels first: where the audit has most to say."""
    return sorted(rows.items(), key=lambda item: (-item[1]["agreement"]["total"], item[0]))


def named_metrics(rows: Mapping[str, Any]) -> Named:
    """IFEval's four figures under readable names."""
    return [(title, rows[metric]) for metric, title in text.IFEVAL.items()]


ORDERS = (by_change, by_frequency, named_metrics)


@cache
def template_digests() -> dict[str, str]:
    loader = _environment().loader
    assert loader is not None
    sources = {name: loader.get_source(_environment(), name)[0] for name in loader.list_templates()}
    return {name: digest_of_bytes(source.encode()) for name, source in sources.items()}


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ifrl_core.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in (*FILTERS, *ORDERS)}
    environment.globals |= {function.__name__: function for function in CHARTS}
    environment.tests["few"] = too_few
    environment.globals |= {"metric_chart": metric_chart, "curve_chart": curve_chart, "off_task_install": INSTALL}
    environment.globals["answer_measures"] = text.ANSWER_MEASURES
    return environment


def metric_chart(
    title: str,
    x: Sequence[float],
    lines: Sequence[tuple[str, Sequence[float | None]]],
    x_label: str = "step",
    bottom: float | None = None,
    top: float | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """A chart of named lines over one x, in the page's tones a, b, c."""
    series = [charts.Series(label, x, y, tone) for (label, y), tone in zip(lines, "abc", strict=False)]
    return charts.line_chart(title, series, x_label=x_label, bottom=bottom, top=top, marks=marks)


def curve_chart(line: Section, marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """A line of a policy's curve (report/policy.py) with its intervals, from 0 to 1."""
    series = charts.Series(line["set"], line["steps"], line["means"], band=line["band"])
    title = f"{line['set']}, {line['metric']}"
    return charts.line_chart(title, [series], x_label="step", bottom=0.0, top=1.0, marks=marks)
