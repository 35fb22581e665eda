"""`ifrl report`: where a run's page is, its summary for scripts, and whether it is good enough."""

import json
from typing import Annotated, Any, Literal

import typer

from ifrl_core.errors import IfrlError
from ifrl_core.settings import store_root

app = typer.Typer()

Bound = Literal["low", "mean"]


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
    from ifrl_core.report.summary import run_summary
    from ifrl_core.stages.runs import load_record

    store = ArtifactStore(store_root())
    record = load_record(store, run)
    if as_json:
        typer.echo(json.dumps(run_summary(record, store), indent=2))
    else:
        typer.echo(report_path(record, store))
    if min_gain is not None:
        _check_gain(run_summary(record, store), min_gain, bound)


def report_path(record: dict[str, Any], store: Any) -> str:
    """The HTML page of a run; raises IfrlError for a run that ended before it was written."""
    from ifrl_core.artifacts import ArtifactRef

    if "report" not in record["refs"]:
        raise IfrlError(f"run {record['run']} ended before its report: state {record['state']}")
    return str(store.local_folder(ArtifactRef.model_validate(record["refs"]["report"])) / "report.html")


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
