"""`ifrl profile`: before training, which prompts the policy could learn from, and what to try."""

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Override, RecipeName
from ifrl_core.settings import configure_environment, store_root

if TYPE_CHECKING:
    from ifrl_core.stages.progress import Progress, Table
    from ifrl_core.stages.stage import Stage

app = typer.Typer()


@app.command()
def profile(
    recipe: RecipeName,
    overrides: Override = [],  # noqa: B006
    instructions: Annotated[int, typer.Option(min=1, help="Train instructions asked, each at every level")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures for scripts")] = False,
) -> None:
    """Which prompts are dead, easy or alive for the base model, by type and level, and what to change before training.

    A sample of train prompts is answered in groups as the first step of GRPO will be, and judged by rules. It is kept in the
    store: a second call answers at once, and so do the stages of a run that come before."""
    configure_environment()
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.config.recipes import load_recipe
    from ifrl_core.policy.profile.advice import suggestions
    from ifrl_core.policy.profile.measure import cost_of, found_profile, make_profile
    from ifrl_core.policy.profile.stage import profile_plan
    from ifrl_core.policy.profile.text import cost_line, profile_lines

    config = load_recipe(recipe, overrides)
    store, plan = ArtifactStore(store_root()), profile_plan(config, instructions)
    ref, cost = found_profile(config, plan, store), cost_of(plan, config)
    cached = ref is not None
    if ref is None:
        store.check_writable()
        typer.echo(cost_line(plan, cost), err=True)
        ref = make_profile(config, plan, store, _progress)
    figures = store.manifest(ref).figures
    found = suggestions(figures, config)
    if as_json:
        asked = {"recipe": config.name, "model": config.model, "cached": cached, "cost": asdict(cost)}
        said = {"figures": figures, "suggestions": [asdict(item) for item in found], "artifact": ref.uri}
        typer.echo(json.dumps({**asked, "plan": plan.model_dump(mode="json"), **said}, indent=2))
        return
    typer.echo("\n".join(profile_lines(figures, plan, found)))


def _progress(stage: "Stage") -> "Progress":
    """Progress of a stage on a line of the terminal, with the time that is left; a line a tenth where there is none."""
    start, told = time.monotonic(), 0

    def show(done: int, total: int, message: str = "", *, samples: "Table" = (), **metrics: float) -> None:
        nonlocal told
        here = sys.stderr.isatty()
        if not total or (not here and done * 10 // total == told):
            return
        told = done * 10 // total
        left = (time.monotonic() - start) * (total - done) / done if done else 0.0
        counted = f"{done:,} of {total:,}" if total > 1 else ""
        parts = (counted, message, f"{left:.0f} s left" if 0 < done < total else "")
        line = f"{stage.title}: {', '.join(part for part in parts if part)}"
        typer.echo(f"\r{line:<79}" if here else line, nl=not here or done == total, err=True)

    return show
