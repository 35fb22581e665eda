"""`ifrl track`: what MLflow is owed since it did not answer, and sending it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ifrl_core.settings import configure_environment, store_root, tracking_uri

app = typer.Typer(help="What runs could not tell MLflow while it was down.", no_args_is_help=True)


@app.callback()
def track() -> None:
    """A group of its own, so that `sync` stays a word of the command."""


@app.command()
def sync(
    run: Annotated[str | None, typer.Argument(help="Name of the run; default: every run that owes something")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was sent for scripts")] = False,
) -> None:
    """Send MLflow the runs, figures, files and models that it did not take; again sends nothing twice."""
    configure_environment()
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.tracking import journal as tracking_journal
    from ifrl_core.tracking.sync import sync_run

    store = ArtifactStore(store_root())
    names = tracking_journal.owing_runs(store) if run is None else [tracking_journal.known_run(store, run)]
    done = [sync_run(store, name, tracking_uri()) for name in names]
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in done], indent=2))
        return
    for item in done:
        lost = f", {item.lost} can never be" if item.lost else ""
        typer.echo(f"{item.run}: {item.entries} entries sent{lost}  {item.url or item.run_id or ''}".rstrip())
    if not done:
        typer.echo("MLflow is owed nothing")
