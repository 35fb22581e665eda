"""What several commands share: arguments, and how a command ends."""

import sys
import traceback
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ifrl_core.errors import ConfigError, IfrlError
from ifrl_core.text.masking import masked

if TYPE_CHECKING:  # pydantic, which the help does without
    from ifrl_core.text.reasoning import Reasoning

Override = Annotated[
    list[str], typer.Option("--set", help="Override a value, e.g. --set policy.max_steps=5; as often as wanted")
]
RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one, such as demo-cpu")
]


class ReasoningFormat(StrEnum):
    """How reasoning is told from the answer, in the words of a recipe's reasoning.format."""

    always = "always"
    optional = "optional"
    none = "none"


ReasoningOption = Annotated[
    ReasoningFormat | None,
    typer.Option(
        "--reasoning",
        help="always: without the closing tag there is no answer, as where the prompt opens the reasoning; optional: what "
        "follows the last closing tag, or a text without tags; none: the whole text",
    ),
]
TagsOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--tags", metavar="OPEN CLOSE", help="Around reasoning; default <think> </think>"),
]


def reasoning_from(
    format: ReasoningFormat | None, tags: tuple[str, str] | None, usual: "Reasoning | None" = None
) -> "Reasoning":
    """The format of a command's responses: the usual one (none: THINK) with what its options change.

    Raises:
        ConfigError: when the tags are none.
    """
    from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning

    usual = usual or THINK
    if format is None and tags is None:
        return usual
    if format == "none":
        return WHOLE
    opening, closing = tags or (usual.open or THINK.open, usual.close or THINK.close)
    if not (opening.strip() and closing.strip()) or opening == closing:
        raise ConfigError(
            f"--tags {opening!r} {closing!r}: expected two different tags, such as --tags '<think>' '</think>'"
        )
    return Reasoning(open=opening, close=closing, always=usual.always if format is None else format == "always")


def count_rows(done: int) -> None:
    """Progress for a terminal: the number of rows done, in place of the one before."""
    typer.echo(f"\r{done:,} rows", nl=False, err=True)


def run_app(app: typer.Typer) -> None:
    """Run a command line: errors that users can mend end as one message and exit code 1, without a traceback."""
    try:
        app()
    except IfrlError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except Exception:  # a fault of ifrl or of a library: all of its traceback, without passwords
        typer.echo(masked(traceback.format_exc()), err=True)
        sys.exit(1)
