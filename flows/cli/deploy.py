"""`ifrl deploy`: work pools, slots, automations and deployments on a Prefect server, in one idempotent command."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ifrl_core.errors import ConfigError
from ifrl_core.text.masking import masked

if TYPE_CHECKING:
    from deployments.apply import Change

app = typer.Typer()


@app.command()
def deploy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change")] = False,
    slots: Annotated[
        list[str] | None, typer.Option("--slots", metavar="POOL=N", help="Stages at once on a GPU pool, e.g. gpu=8")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Deployments of your own in the format of prefect.yaml; default: those of ifrl")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes for scripts")] = False,
) -> None:
    """Create and update what ifrl needs on the Prefect server of PREFECT_API_URL; what is right already is left alone.

    IFRL_WEBHOOK_URL, when it is set, is where notifications go. It is kept encrypted on the server and never printed.
    """
    limits = _slots(slots or [])
    # No work folder is made here, so that the server may also come from the user's own Prefect profile.
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigError("ifrl deploy needs a Prefect server: set PREFECT_API_URL, e.g. http://127.0.0.1:4200/api")
    changes = []
    for change in _changes(url, file, limits, dry_run=dry_run):
        changes.append(change)
        if not as_json:
            about = f": {change.about}" if change.about else ""
            typer.echo(f"{change.action:<10} {change.kind:<10} {change.name}{about}")
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "changes": [asdict(change) for change in changes]}, indent=2))
        return
    counts: Counter[str] = Counter(change.action for change in changes)
    names = {"create": "created", "update": "updated", "unchanged": "unchanged", "left out": "left out"}
    summary = ", ".join(f"{counts[action]} {name}" for action, name in names.items() if counts[action])
    typer.echo(f"{summary} on {masked(url)}" + (" (a dry run: nothing was changed)" if dry_run else ""))


def _changes(url: str, file: Path | None, slots: dict[str, int], *, dry_run: bool) -> "Iterator[Change]":
    import httpx
    from prefect import get_client

    from deployments.apply import apply
    from deployments.wanted import DEPLOYMENT_FILE, deployment_file, server_file

    try:
        with get_client(sync_client=True) as client:
            _load_secrets()
            yield from apply(
                client, server_file(), deployment_file(file or DEPLOYMENT_FILE), slots=slots, dry_run=dry_run
            )
    except httpx.TransportError as error:
        raise ConfigError(f"the Prefect server at {url} does not answer: {error}") from error


def _load_secrets() -> None:
    """The webhook's address may come from the Secret block of IFRL_SECRETS_BLOCK."""
    from tasks.secrets import load_secrets

    load_secrets()


def _slots(given: list[str]) -> dict[str, int]:
    slots: dict[str, int] = {}
    for item in given:
        pool, _, number = item.partition("=")
        if not number.isdigit() or int(number) < 1:
            raise ConfigError(f"--slots {item!r} must look like POOL=N with N at least 1, e.g. gpu=8")
        slots[pool] = int(number)
    return slots
