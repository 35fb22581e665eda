"""What several commands share: arguments, and how a command ends."""

import sys
import traceback
from typing import Annotated

import typer

from ifrl_core.errors import IfrlError
from ifrl_core.masking import masked

Override = Annotated[list[str], typer.Option("--set", help="Override a value, e.g. --set policy.max_steps=5")]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one")]


def run_app(app: typer.Typer) -> None:
    """Run a command line: errors that users can mend end as one message and exit code 1, without a traceback."""
    try:
        app()
    except IfrlError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except Exception:
        typer.echo(masked(traceback.format_exc()), err=True)
        sys.exit(1)
