"""The `ifrl` command line, a file a group of commands. Heavy imports happen inside the commands: --help answers at once."""

import typer

from flows.cli import deploy, evaluate, labels, profile, report, reproduce, retrain, rules, run, scoring, store, track
from flows.cli.options import run_app

app = typer.Typer(
    help="From nothing but instructions, train a language model that follows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(run.app)
app.add_typer(profile.app)
app.add_typer(report.app)
app.add_typer(reproduce.app)
app.add_typer(rules.app)
app.add_typer(evaluate.app)
app.add_typer(labels.app, name="labels")
app.add_typer(store.app, name="store")
app.add_typer(track.app, name="track")
app.add_typer(scoring.app)
app.add_typer(deploy.app)
app.add_typer(retrain.app)


def main() -> None:
    """Entry point."""
    run_app(app)


if __name__ == "__main__":
    main()
