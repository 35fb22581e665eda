"""`ifrl check` and `ifrl constraints`: rule verdicts of a file, and the catalog that the rules belong to."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import ReasoningOption, TagsOption, count_rows, reasoning_from
from ifrl_core.records import Kind

app = typer.Typer()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Parquet or JSONL with instruction_id, kwargs, prompt, response")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the rows go, with strict and loose")
    ] = None,
    reasoning: ReasoningOption = None,
    tags: TagsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts for scripts")] = False,
    official: Annotated[
        bool, typer.Option("--official", help="IFBench: the two broken checkers as upstream, not as their prompts say")
    ] = False,
) -> None:
    """Rule verdicts of responses, by types of the catalog, IFEval's or IFBench's: the same rows in the same order, plus
    `strict` and `loose`."""
    from ifrl_core.constraints.check import check_file
    from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import rules
    from ifrl_core.row_files import split_name

    stem, suffix = split_name(file)
    target = output or file.with_name(f"{stem}-checked{suffix}")
    progress = count_rows if sys.stderr.isatty() else None
    read_as = reasoning_from(reasoning, tags)
    summary = check_file(file, target, reasoning=read_as, rules=rules(official=official), progress=progress)
    if as_json:
        typer.echo(json.dumps({**asdict(summary), "output": str(target)}, indent=2))
        return
    for name, (total, strict, loose) in sorted(summary.by_type.items()):
        typer.echo(f"{name:<44} {total:>7}  strict {strict / total:6.1%}  loose {loose / total:6.1%}")
    if summary.changed is not None:
        typer.echo(f"{summary.changed} of {summary.rows} rows had other verdicts before")
    typer.echo(f"{summary.rows} rows checked: {target}")


@app.command()
def constraints(
    filter: Annotated[str | None, typer.Argument(help="Only types whose id or description contains this")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only hard (a rule decides) or soft (a reader) types")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all details for scripts")] = False,
) -> None:
    """The constraint types of the catalog, yours included, with an example of each."""
    from ifrl_core.constraints.listing import constraints_table
    from ifrl_core.errors import InputError

    rows = constraints_table(filter, kind)
    if not rows:
        raise InputError(
            f"no {kind or 'constraint'} type has {filter!r} in its id or description; leave it out to see all"
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['id']:<44} {row['kind']}  {row['example']}")
    typer.echo(f"{len(rows)} types")
