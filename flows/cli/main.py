"""The `ifrl` command line. Heavy imports happen inside the commands, so that --help answers at once."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.cli.deploy import app as deploy_app
from flows.cli.labels import app as labels_app
from flows.cli.options import Override, run_app
from flows.cli.retrain import app as retrain_app
from flows.cli.scoring import app as scoring_app
from flows.cli.store import app as store_app
from flows.cli.track import app as track_app
from ifrl_core.errors import IfrlError
from ifrl_core.records import Kind
from ifrl_core.settings import configure_environment, store_root

app = typer.Typer(
    help="From nothing but instructions, train a language model that follows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(labels_app, name="labels")
app.add_typer(store_app, name="store")
app.add_typer(track_app, name="track")
app.add_typer(scoring_app)
app.add_typer(deploy_app)
app.add_typer(retrain_app)

Bound = Literal["low", "mean"]


@app.command()
def demo(
    overrides: Override = [],  # noqa: B006
    ifeval: Annotated[
        str | None, typer.Option(help="IFEval's input_data.jsonl, to measure it before and after")
    ] = None,
) -> None:
    """The whole pipeline on the embedded model, on a laptop, in minutes."""
    paths = [f"evaluation.ifeval_path={json.dumps(ifeval)}"] if ifeval else []
    _run_pipeline("demo-cpu", [*paths, *overrides])


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one")],
    overrides: Override = [],  # noqa: B006
) -> None:
    """Run the whole pipeline of a recipe."""
    _run_pipeline(recipe, overrides)


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one")],
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan for scripts")] = False,
) -> None:
    """What a recipe's training takes: processes, batches, memory, hours. Refuses arithmetic that cannot work."""
    from ifrl_core.config.recipes import load_recipe
    from ifrl_core.plan.plan import make_plan, plan_lines

    made = make_plan(load_recipe(recipe, overrides))
    typer.echo(json.dumps(asdict(made), indent=2) if as_json else "\n".join(plan_lines(made)))


@app.command()
def report(
    run: Annotated[
        str | None, typer.Argument(help="Name of the run, or the id of its flow run in Prefect; default: the latest")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for scripts")] = False,
    min_gain: Annotated[
        float | None, typer.Option(help="For CI: exit code 2 unless the gain, in points, is at least this")
    ] = None,
    bound: Annotated[Bound, typer.Option(help="What --min-gain bounds: the interval's lower end, or the mean")] = "low",
) -> None:
    """Where the HTML report of a run is, or its summary, or whether it is good enough."""
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.report.summary import load_record, run_summary

    store = ArtifactStore(store_root())
    record = load_record(store, run)
    if as_json:
        typer.echo(json.dumps(run_summary(record, store), indent=2))
    else:
        typer.echo(_report_path(record, store))
    if min_gain is not None:
        _check_gain(run_summary(record, store), min_gain, bound)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Parquet or JSONL with instruction_id, kwargs, prompt, response")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the rows go, with strict and loose")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts for scripts")] = False,
) -> None:
    """Rule verdicts of responses: the same rows in the same order, plus `strict` and `loose`."""
    from ifrl_core.constraints.verifiers.check import check_file

    target = output or file.with_name(f"{file.stem}-checked{file.suffix}")
    summary = check_file(file, target, progress=_count_rows if sys.stderr.isatty() else None)
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

    rows = constraints_table(filter, kind)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['id']:<44} {row['kind']}  {row['example']}")
    typer.echo(f"{len(rows)} types")


def main() -> None:
    """Entry point."""
    run_app(app)


def _count_rows(done: int) -> None:
    typer.echo(f"\r{done:,} rows", nl=False, err=True)


def _run_pipeline(recipe: str, overrides: list[str]) -> None:
    configure_environment()
    from ifrl_core.config.recipes import load_recipe

    config = load_recipe(recipe, overrides)  # before anything is imported or started: a typo costs no minute
    from flows.execution.orphans import end_orphaned_servers
    from flows.pipeline import pipeline
    from flows.wiring import find_sources
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.report.summary import load_record, run_summary

    store = ArtifactStore(store_root())
    store.check_writable()
    find_sources(config)
    end_orphaned_servers()
    result = pipeline(recipe=recipe, overrides=overrides)
    record = load_record(store, result["run"])
    _print_end(record, run_summary(record, store), _report_path(record, store), result["registered"])


def _check_gain(summary: dict[str, Any], least: float, bound: Bound) -> None:
    gain = summary["gain"]
    if gain is None:
        typer.echo(f"run {summary['run']} measured no gain", err=True)
        raise typer.Exit(2)
    good = gain[bound] >= least
    interval = f"{gain['mean']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}] points"
    typer.echo(f"gain {interval}: its {bound} is {'' if good else 'not '}at least {least:+g}", err=True)
    if not good:
        raise typer.Exit(2)


def _report_path(record: dict[str, Any], store: Any) -> str:
    from ifrl_core.artifacts import ArtifactRef

    if "report" not in record["refs"]:
        raise IfrlError(f"run {record['run']} ended before its report: state {record['state']}")
    return str(store.local_folder(ArtifactRef.model_validate(record["refs"]["report"])) / "report.html")


def _print_end(record: dict[str, Any], summary: dict[str, Any], path: str, versions: list[dict[str, str]]) -> None:
    gain, stages, scripts = summary["gain"], record["stages"], Path(sys.executable).parent
    cached = [name for name, stage in stages.items() if stage["cached"]]
    interval = f"{gain['mean']:+.1f} points [{gain['low']:+.1f}, {gain['high']:+.1f}]"
    from_cache = f", {len(cached)} from cache ({', '.join(cached)})" if cached else ""
    # Prefect's temporary server ends with the run; its database stays.
    server = f"PREFECT_HOME={os.environ['PREFECT_HOME']} {scripts / 'prefect'} server start"
    ui = f"{scripts / 'mlflow'} ui --backend-store-uri {record['mlflow']['uri']}"
    lines = [
        f"run        {record['run']}: {record['seconds']:.0f} s, peak memory {record['peak_rss_mb'] / 1024:.1f} GiB",
        f"stages     {len(stages) - len(cached)} computed{from_cache}",
        f"gain       {interval} in satisfaction of hard constraints on held-out instructions",
        *(f"model      {item['uri']} (version {item['version']})" for item in versions),
        f"mlflow     {record['mlflow']['url'] or ui}",
        f"prefect    {record['prefect']['url'] or server}",
        f"report     {path}",
    ]
    typer.echo("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
