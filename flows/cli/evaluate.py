"""`ifrl eval`: outside benchmarks on models, and on answers that files hold."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Override, ReasoningFormat, ReasoningOption, TagsOption, reasoning_from

app = typer.Typer()


@app.command("eval")
def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model URI, or server:NAME of one behind servers. Repeat: they stand against the first"),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PATH: a benchmark and its rows' file or URL; NAME: they are in the answers' file. Repeat"
        ),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            help="A file of answers: the benchmark's rows with response, or response and id, key or prompt. Repeat to compare"
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="The model that judges what no rule decides: a model URI, or server:NAME")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N rows of each benchmark")] = None,
    samples: Annotated[int, typer.Option(min=1, max=64, help="Answers a row where it is asked with temperature")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A folder for figures and graded rows, or one .parquet or .jsonl for the rows"
        ),
    ] = None,
    official: Annotated[
        bool, typer.Option("--official", help="As upstream grades, what is plainly broken there included")
    ] = False,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Code of a benchmark's rows may run, in a limited child process")
    ] = False,
    overrides: Override = [],  # noqa: B006
    reasoning: ReasoningOption = None,
    tags: TagsOption = None,
    list_: Annotated[bool, typer.Option("--list", help="What there is, what each needs and where to get it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures for scripts")] = False,
) -> None:
    """Models, or files of answers, side by side on outside benchmarks, with intervals.

    Answers whose rows hold what they are graded by come back as they are, with columns of verdicts.
    """
    if list_:
        _list(as_json)
    elif benchmark is not None and len(benchmark) == 1 and answers and not (model or judge or overrides or run_code):
        from flows.cli.given import report_on, table
        from ifrl_core.evaluation.benchmarks.table import benchmark_named
        from ifrl_core.evaluation.suite.benchmark import Terms

        name, _, path = benchmark[0].partition("=")
        how = {"reasoning": reasoning_from(reasoning, tags), "terms": Terms(official=official)}
        report = report_on(benchmark_named(name), path, answers, limit, output, how)
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else table(report))
    elif model or (answers and benchmark is not None and len(benchmark) == 1):
        from flows.cli.measuring import measure

        settings = [*_settings(judge, reasoning, tags, official=official, run_code=run_code), *overrides]
        models = [*(model or []), *(f"answers:{file}" for file in answers or [])]
        measure(models, benchmark or [], settings, limit=limit, samples=samples, output=output, as_json=as_json)
    else:
        raise typer.BadParameter(
            "give --model URI and --benchmark NAME=PATH, each as often as wanted; or one --benchmark NAME[=PATH] and "
            "--answers FILE; or --list"
        )


def _list(as_json: bool) -> None:
    from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
    from ifrl_core.evaluation.suite.listing import listed, listing

    rows = listing(BENCHMARKS.values())
    typer.echo(json.dumps(rows, indent=2) if as_json else "\n\n".join(map(listed, rows)))


def _settings(
    judge: str | None,
    reasoning: ReasoningFormat | None,
    tags: tuple[str, str] | None,
    *,
    official: bool,
    run_code: bool,
) -> list[str]:
    """The options as overrides of a recipe."""
    settings = [f"evaluation.official={json.dumps(official)}", f"evaluation.run_code={json.dumps(run_code)}"]
    if judge is not None and judge.startswith("server:"):
        settings += ["evaluation.judge.engine=server", f"evaluation.judge.served_model={judge.removeprefix('server:')}"]
    elif judge is not None:
        settings.append(f"evaluation.judge.model={judge}")
    if reasoning is not None:
        settings.append(f"reasoning.format={reasoning.value}")
    if tags is not None:
        settings += [f"reasoning.{name}={json.dumps(tag)}" for name, tag in zip(("open", "close"), tags, strict=True)]
    return settings
