"""The stage `benchmark-report`: the page of several models on several benchmarks, side by side."""

from ifrl_core.config import StageConfig
from ifrl_core.report.benchmark_data import Measured, stored_section
from ifrl_core.report.data import finite
from ifrl_core.report.stage import render_benchmarks, template_digests
from ifrl_core.stages.stage import Figures, Inputs, Work, part_of, stage


class BenchmarkReportConfig(StageConfig):
    """`models`: their names in artifacts (`answers-NAME.LABEL`), and how the page calls them; the first is compared with."""

    name: str
    models: dict[str, str]
    benchmarks: tuple[str, ...]


@stage(
    "benchmark-report",
    version=1,
    each=lambda recipe: {},
    content=lambda config: template_digests(),
    seeded=False,
)
def write_benchmark_report(config: BenchmarkReportConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: rows, answers and judgements by benchmark and model. Writes report.html and report.json."""
    sections = [
        stored_section(
            label,
            inputs[part_of("benchmark", label)],
            [
                Measured(title, *(inputs[part_of(f"{stage}-{name}", label)] for stage in ("answers", "judgements")))
                for name, title in config.models.items()
            ],
            work.store,
        )
        for label in config.benchmarks
    ]
    data = finite({"name": config.name, "benchmarks": sections})
    work.writer.write_bytes("report.html", render_benchmarks(config.name, data["benchmarks"]).encode())
    work.writer.write_json("report.json", data)
    return {"benchmarks": {section["label"]: section["metrics"] for section in data["benchmarks"]}}
