"""Models on benchmarks, for `ifrl eval --model`: the flow `benchmark`, and what it found."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ifrl_core.errors import ConfigError
from ifrl_core.settings import configure_environment, store_root

if TYPE_CHECKING:
    from ifrl_core.artifacts import ArtifactRef, ArtifactStore
    from ifrl_core.config import PipelineConfig
    from ifrl_core.records import Row
    from ifrl_core.report.benchmarks import Section

RECIPE = "demo-cpu"  # its defaults: transformers in this process; --set changes them


def measure(
    models: list[str],
    benchmarks: Sequence[str],
    overrides: Sequence[str],
    *,
    limit: int | None,
    samples: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Ask every model every benchmark and print the figures side by side; `benchmarks`: NAME=PATH each.

    Whatever can be refused is, before a server starts.
    """
    from ifrl_core.row_files import is_row_file

    if output is not None and (output.is_file() or is_row_file(output)):
        raise ConfigError(f"-o {output}: models' figures and graded rows need a folder")
    overrides = ["name=eval", *asked_of(benchmarks, limit, samples), *overrides]
    configure_environment()
    from ifrl_core.config.recipes import load_recipe

    config = load_recipe(RECIPE, overrides)
    from flows.benchmark import benchmark, names_of, planned, with_benchmarks
    from flows.execution.orphans import end_orphaned_servers
    from ifrl_core.artifacts import ArtifactRef, ArtifactStore
    from ifrl_core.report.benchmark_text import benchmarks_json, benchmarks_text

    store = ArtifactStore(store_root())
    store.check_writable()
    chosen = with_benchmarks(config, {})
    planned(chosen, names_of(models))
    for line in lacking(chosen):
        typer.secho(line, fg="yellow", err=True)
    end_orphaned_servers()
    result = benchmark(models=models, recipe=RECIPE, overrides=overrides)
    page = store.local_folder(ArtifactRef.model_validate(result["report"]))
    sections = json.loads((page / "report.json").read_text())["benchmarks"]
    if output is not None:
        write_folder(output, page, result["run"], names_of(models), sections, store)
    place = str((output or page) / "report.html")
    if as_json:
        found = {"run": result["run"], "report": place, "benchmarks": benchmarks_json(sections)}
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    typer.echo(f"\n{benchmarks_text(sections)}\n\nreport     {place}")


def lacking(config: "PipelineConfig") -> Iterator[str]:
    """What will be unscored for want of a judge or of leave to run code, or failed for want of tokens."""
    from ifrl_core.evaluation.benchmarks.table import benchmark_named
    from ifrl_core.evaluation.suite.beyond_budget import rows_beyond
    from ifrl_core.evaluation.suite.rows import asked_benchmarks, name_of

    section = config.evaluation
    for label in asked_benchmarks(config):
        needs = benchmark_named(name_of(label)).needs
        if "judge" in needs and section.judge is None:
            yield f"{label}: what no rule decides stays unscored without --judge"
        if "code" in needs and not section.run_code:
            yield f"{label}: what code of its rows decides stays unscored without --run-code"
    yield from rows_beyond(config)


def asked_of(benchmarks: Sequence[str], limit: int | None, samples: int) -> list[str]:
    """The benchmarks as overrides of a recipe; a label that comes again adds a file.

    Raises:
        InputError, ConfigError: for what is not NAME=PATH, or a name that no benchmark has.
    """
    from ifrl_core.evaluation.benchmarks.table import benchmark_named
    from ifrl_core.evaluation.suite.rows import name_of

    paths: dict[str, list[str]] = {}
    for named in benchmarks:
        label, _, path = named.partition("=")
        benchmark_named(name_of(label))
        if not path:
            raise ConfigError(f"--benchmark {named}: expected NAME=PATH; a model is asked the rows of a file")
        paths.setdefault(label, []).append(path)
    return [
        f"evaluation.benchmarks.{label}.{name}={json.dumps(value)}"
        for label, of in paths.items()
        for name, value in (("path", of), ("limit", limit), ("samples", samples))
    ]


def write_folder(
    folder: Path, page: Path, run: str, names: dict[str, str], sections: "list[Section]", store: "ArtifactStore"
) -> None:
    """The page, its data, and for each model and benchmark its graded rows, LABEL-MODEL.jsonl, which --answers takes too."""
    from ifrl_core.artifacts import ArtifactRef
    from ifrl_core.stages.runs import load_record
    from ifrl_core.stages.stage import part_of

    folder.mkdir(parents=True, exist_ok=True)
    for file in ("report.html", "report.json"):
        (folder / file).write_bytes((page / file).read_bytes())
    refs = {name: ArtifactRef.model_validate(ref) for name, ref in load_record(store, run)["refs"].items()}
    for label in (section["label"] for section in sections):
        for name in names:
            answers, judgements = (refs[part_of(f"{stage}-{name}", label)] for stage in ("answers", "judgements"))
            lines = graded_lines(refs[part_of("benchmark", label)], answers, judgements, store)
            (folder / f"{label.replace(':', '-')}-{name}.jsonl").write_text("".join(map(_line, lines)))


def graded_lines(
    rows: "ArtifactRef", answers: "ArtifactRef", judgements: "ArtifactRef", store: "ArtifactStore"
) -> Iterator["Row"]:
    """Each row and sample: id, sample, prompt, response (of several turns: responses), marks, notes and verdicts."""
    from ifrl_core.evaluation.suite.answers import answers_of
    from ifrl_core.evaluation.suite.judgements import judged_items

    given = answers_of(answers, store, (0, store.manifest(rows).figures["items"]))
    seen: Counter[str] = Counter()
    for row in judged_items(judgements, rows, answers, store):
        texts = [turn["text"] for turn in given[row.item.id, seen[row.item.id]]]
        said = {"response": texts[0]} if len(texts) == 1 else {"responses": texts}
        worth = {name: getattr(row.graded, name) for name in ("marks", "notes", "verdicts")}
        yield {"id": row.item.id, "sample": seen[row.item.id], "prompt": row.item.prompt, **said, **worth}
        seen[row.item.id] += 1


def _line(row: "Row") -> str:
    return json.dumps(row) + "\n"
