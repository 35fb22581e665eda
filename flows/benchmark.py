"""Any number of models on outside benchmarks, side by side, without any training."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from pydantic import BaseModel, Field

from flows import wiring
from flows.execution.open_run import open_run
from flows.execution.run import Run
from flows.pipeline import Config, Overrides, Recipe, choose_config, ifrl_flow
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import BenchmarkConfig, EvaluationConfig, PipelineConfig
from ifrl_core.errors import ConfigError
from ifrl_core.evaluation.suite.answers import answers_config, make_answers
from ifrl_core.evaluation.suite.given_answers import answers_source, given_path, take_answers
from ifrl_core.evaluation.suite.judgements import import_judge, judgements_config, make_judgements
from ifrl_core.evaluation.suite.rows import asked_benchmarks, benchmark_source, import_benchmark
from ifrl_core.evaluation.suite.served import ServedModel, name_served_model, served_name
from ifrl_core.inference.open import check_engine
from ifrl_core.models.looks.folder import look_at_writer
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.report.benchmark_stage import BenchmarkReportConfig, write_benchmark_report
from ifrl_core.report.benchmark_tables import benchmarks_markdown, metric_values, table_rows
from ifrl_core.stages.registry import Plan
from ifrl_core.stages.stage import Stage, part_of
from tasks.secrets import load_secrets
from tasks.telling import best_effort

Models = Annotated[
    list[str],
    Field(
        description="Model URIs, one a line, server:NAME for one behind OpenAI-compatible servers, or answers:FILE for "
        "answers that are there; others stand against the first. None: the recipe's model"
    ),
]
Benchmarks = Annotated[
    dict[str, BenchmarkConfig],
    Field(description="Benchmarks by label beside the recipe's, such as {ifbench: {path: FILE, limit: 100}}"),
]
ALL = "all"


@ifrl_flow("benchmark")
def benchmark(
    recipe: Recipe = "demo-cpu",
    overrides: Overrides = [],  # noqa: B006
    models: Models = [],  # noqa: B006
    benchmarks: Benchmarks = {},  # noqa: B006
    config: Config = None,
) -> dict[str, Any]:
    """Models -> answers to benchmarks -> judgements -> figures side by side, with intervals."""
    chosen = with_benchmarks(choose_config(recipe, overrides, config), benchmarks)
    named = names_of(models or [chosen.model])
    load_secrets()
    plan = planned(chosen, named)
    with open_run("benchmark", chosen, plan, need_bytes=0) as run:
        refs = run.stage(import_judge, {})
        for name, uri in named.items():
            refs |= {} if given_path(uri) else run.stage(_source_of(uri), {}, part=name)
        for label in asked_benchmarks(chosen):
            refs |= run.stage(import_benchmark, {}, part=label)
            for name, uri in named.items():
                refs |= wiring.judged(run, label, refs, refs.get(part_of("model", name)), *_stages_of(name, uri))
        report = run.stage(write_benchmark_report, refs, part=ALL)[part_of(write_benchmark_report.output, ALL)]
        _publish(run, report, named)
    return {"run": run.name, "report": report.model_dump()}


def with_benchmarks(config: PipelineConfig, benchmarks: Mapping[str, BenchmarkConfig]) -> PipelineConfig:
    """The recipe with further benchmarks; its general problems, which training splits, are left out.

    Raises:
        ConfigError: when there is none.
    """
    asked = {**config.evaluation.benchmarks, **benchmarks}
    changes = {"benchmarks": asked, "general_prompts": 0}
    chosen = config.model_copy(update={"evaluation": config.evaluation.model_copy(update=changes)})
    if not asked_benchmarks(chosen):
        raise ConfigError(
            "no benchmark is named: give benchmarks (NAME=PATH), or a recipe with evaluation.benchmarks; `ifrl eval --list` "
            "names them"
        )
    return chosen


def names_of(models: list[str]) -> dict[str, str]:
    """A short name for each model, by which its artifacts are told apart: of its URI's last part.

    Raises:
        ConfigError: when a model is named twice.
    """
    named: dict[str, str] = {}
    for uri in models:
        if uri in named.values():
            raise ConfigError(f"model {uri} is named twice")
        short = re.sub(r"[^a-z0-9]+", "-", uri.rstrip("/").split("/")[-1].lower()).strip("-")[-40:] or "model"
        names = [short, *(f"{short}-{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")]
        named[next(name for name in names if name not in named)] = uri
    return named


def planned(config: PipelineConfig, models: Mapping[str, str]) -> Plan:
    """What every stage is made with, by label; all files, models and servers are looked at.

    Raises:
        ConfigError, InputError, ModelError: for what is not there, before anything starts.
    """
    asked, section = asked_benchmarks(config), config.evaluation
    make_judgements.look(config)
    plan: dict[str, BaseModel] = dict(import_judge.look(config))
    for label, of_label in asked.items():
        plan[part_of(import_benchmark.label, label)] = benchmark_source(label, of_label)
    for name, uri in models.items():
        answers, judgements = _stages_of(name, uri)
        if not given_path(uri):
            check_engine(
                _asked_of(uri, section), "evaluation", here=config.execution.deployment_of(make_answers) is None
            )
            plan[part_of(_source_of(uri).label, name)] = _model(uri)
        for label, of_label in asked.items():
            plan[part_of(answers.label, label)] = _answers(uri, label, of_label, config)
            plan[part_of(judgements.label, label)] = judgements_config(label, section)
    report = BenchmarkReportConfig(name=config.name, models=dict(models), benchmarks=tuple(asked))
    return {**plan, part_of(write_benchmark_report.label, ALL): report}


def _asked_of(uri: str, section: EvaluationConfig) -> EvaluationConfig:
    """The section as this model answers by it: of one behind servers, their engine under its name."""
    if served := served_name(uri):
        return section.model_copy(update={"engine": "server", "served_model": served})
    if section.engine == "server":
        raise ConfigError(f"model {uri}: evaluation.engine is server, so models are named server:NAME here")
    return section


def _answers(uri: str, label: str, asked: BenchmarkConfig, config: PipelineConfig) -> BaseModel:
    if given_path(uri):
        return answers_source(uri, config)
    return answers_config(label, asked, _asked_of(uri, config.evaluation))


def _source_of(uri: str) -> Stage:
    return name_served_model if served_name(uri) else import_model


def _model(uri: str) -> BaseModel:
    if served_name(uri):
        return ServedModel(uri=uri)
    return model_source(uri, look=lambda folder: look_at_writer(folder, uri, batched=True))


def _stages_of(name: str, uri: str) -> tuple[Stage, Stage]:
    """Answers and judgements of a model."""
    answers, judgements = (f"{stage.name}-{name}" for stage in (make_answers, make_judgements))
    source = take_answers if given_path(uri) else make_answers
    return replace(source, label=answers, output=answers), replace(make_judgements, label=judgements, output=judgements)


def _publish(run: Run, report: ArtifactRef, models: Mapping[str, str]) -> None:
    """The page and its figures beside the run in MLflow, a table and a summary in Prefect."""
    sections = run.store.read_json(report, "report.json")["benchmarks"]
    run.tracker.file(report, "report.html")
    for name in models:
        for label in (section["label"] for section in sections):
            figures = run.store.manifest(run.refs[part_of(f"judgements-{name}", label)]).figures
            run.tracker.live({f"{name}/{key}": value for key, value in metric_values(label, figures).items()}, step=0)
    with best_effort("the benchmarks"):
        create_table_artifact(table_rows(sections), key="ifrl-benchmarks", description=run.name)
        create_markdown_artifact(benchmarks_markdown(sections), key="ifrl-benchmark-summary", description=run.name)
