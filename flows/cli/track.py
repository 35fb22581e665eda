"""`ifrl track`: what MLflow is owed since it did not answer, and sending it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ifrl_core.errors import TrackingError
from ifrl_core.settings import configure_environment, store_root, tracking_uri

if TYPE_CHECKING:
    from ifrl_core.tracking.sync import Sync

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
    done, failed = [], []
    for name in names:
        try:
            done.append(sync_run(store, name, tracking_uri()))
        except TrackingError as error:  # another run's entries may well go through
            failed.append(error)
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in done], indent=2))
    else:
        _print(done)
        if not names:
            typer.echo("MLflow is owed nothing")
    if failed:
        raise TrackingError("\n".join(str(error) for error in failed))


def _print(done: "Sequence[Sync]") -> None:
    for item in done:
        sent = f"{item.entries - item.lost - item.owed} entries sent"
        lost = f", {item.lost} can never be" if item.lost else ""
        owed = f", {item.owed} stay owed" if item.owed else ""
        typer.echo(f"{item.run}: {sent}{lost}{owed}  {item.url or item.run_id or ''}".rstrip())
