"""Arguments that several commands of `ifrl` share."""

from typing import Annotated

import typer

Override = Annotated[list[str], typer.Option("--set", help="Override a value, e.g. --set policy.max_steps=5")]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one")]
