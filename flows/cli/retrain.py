"""`ifrl retrain`, `ifrl rollback` and `ifrl audit`: a better champion, the way back, and what the labels are worth."""

import json
from typing import Annotated, Any

import typer

from flows.cli.options import Override, RecipeName
from ifrl_core.settings import configure_environment, tracking_uri

app = typer.Typer()


@app.command()
def retrain(
    recipe: RecipeName,
    new_seeds: Annotated[str, typer.Option(help="Folder, s3:// prefix or file of new seeds")],
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome for scripts")] = False,
) -> None:
    """Train the champion on new seeds; what comes of it is champion only when it is better and nothing else got worse."""
    _prepare(recipe, overrides)
    from flows.retrain import retrain

    state = retrain(recipe=recipe, overrides=overrides, new_seeds=new_seeds, return_state=True)
    _print(state.result(), as_json)


@app.command()
def audit(
    recipe: RecipeName,
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome for scripts")] = False,
) -> None:
    """Make a recipe's labels, hold them against the rules, and re-hash every file they are made of."""
    _prepare(recipe, overrides)
    from flows.audit import audit

    _print(audit(recipe=recipe, overrides=overrides), as_json)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="Registered model")] = "ifrl-policy",
    as_json: Annotated[bool, typer.Option("--json", help="Print what changed for scripts")] = False,
) -> None:
    """Make the champion before this one champion again."""
    from ifrl_core.config.names import model_name
    from ifrl_core.errors import ConfigError

    try:
        model_name(name)
    except ValueError as error:
        raise ConfigError(f"registered model {name!r}: {error}") from None
    configure_environment()
    from ifrl_core.promotion.champion import rollback

    done = rollback(tracking_uri(), name)
    said = f"models:/{name}@champion was version {done.was} and is version {done.now} now"
    _print({"name": name, "was": done.was, "now": done.now, "said": said}, as_json)


def _prepare(recipe: str, overrides: list[str]) -> None:
    """What comes before a flow is imported. The recipe is read first: a typo costs no minute."""
    configure_environment()
    from ifrl_core.config.recipes import load_recipe

    load_recipe(recipe, overrides)
    from flows.execution.orphans import end_orphaned_servers

    end_orphaned_servers()


def _print(result: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(result, indent=2) if as_json else result["said"])
