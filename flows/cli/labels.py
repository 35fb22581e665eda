"""`ifrl labels`: blind sheets of pseudo-labels for people, and what their judgements say."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ifrl_core.settings import store_root

app = typer.Typer(help="What people say of the pseudo-labels: write a blind sheet, read it back.", no_args_is_help=True)


@app.command()
def sheet(
    labels: Annotated[
        str | None,
        typer.Argument(help="Name of a run, or labels/FINGERPRINT (a prefix will do); default: the latest run"),
    ] = None,
    pairs: Annotated[
        int, typer.Option("-n", "--pairs", min=2, help="Pairs to judge, drawn in twos: an answer of each label")
    ] = 100,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the sheet")] = Path("sheet"),
    repeat: Annotated[
        float, typer.Option(min=0, max=1, help="Share shown a second time in the other order, on top")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the order")] = 0,
) -> None:
    """Write a blind sheet (CSV and a page that works offline) and, apart, the key that says what is true."""
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.labels.people.sheet import find_labels, write_sheet

    store = ArtifactStore(store_root())
    sheet = write_sheet(find_labels(labels, store), store, output, pairs=pairs, repeat=repeat, seed=seed)
    typer.echo(
        f"sheet {sheet.sheet}: {sheet.items} pairs to judge ({sheet.contrasts} contrasts, {sheet.repeated} twice)"
    )
    if 2 * sheet.contrasts < pairs:
        typer.echo(f"there are no more than {sheet.contrasts} constraints with both labels")
    typer.echo(f"page   {sheet.page}\nCSV    {sheet.csv}\nkey    {sheet.key} (keep it from whoever judges)")
    typer.echo(f"then   ifrl labels grade JUDGED.csv --key {sheet.key}")


@app.command()
def grade(
    judged: Annotated[Path, typer.Argument(metavar="SHEET", help="The page's download, or the filled CSV")],
    key: Annotated[Path, typer.Option(help="The key that was written with the sheet")],
    run: Annotated[
        str | None,
        typer.Option(
            help="A run whose labels these are: its reward model's AUC on soft constraints, by what the sheet says"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures for scripts")] = False,
) -> None:
    """Agreement of a judged sheet with the pseudo-labels and with the rules."""
    from ifrl_core.labels.people.grade import grade_sheet

    figures = grade_sheet(judged, key)
    if run is not None:
        figures["corrected"] = _corrected(run, figures["soft"])
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    typer.echo(f"{'judge and':<36} {'pseudo-labels':<22} {'positives':<22} {'negatives':<22} {'rules (hard)':<22}")
    for name, row in [("all", figures), *sorted(figures["by_type"].items())]:
        cells = [_share(row[part]) for part in ("agreement", "positives", "negatives", "rules")]
        typer.echo(f"{name:<36} " + " ".join(f"{cell:<22}" for cell in cells).rstrip())
    contrasts, order = figures["contrasts"], figures["contrasts"]["same_order"]
    typer.echo(
        f"\nKendall tau           {_number(figures['kendall_tau'])} over single judgements (tau-b), "
        f"{_number(contrasts['tau'])} over contrasts\n"
        f"contrasts             ordered as the labels do {_share(order)}; against them {contrasts['discordant']}, "
        f"tied {contrasts['tied']}\n"
        f"position consistency  {_share(figures['position_consistency'])} of answers judged alike in both orders\n"
        f"judged                {figures['judged']} of {figures['items']}"
    )
    if row := figures.get("corrected"):
        typer.echo(
            f"reward model          AUC on soft constraints {_number(row['labels'])} against labels worth "
            f"{_number(row['gap'])}; in truth {_number(row['auc'])} ({_number(row['low'])} to {_number(row['high'])})"
        )


def _corrected(run: str, soft: dict[str, Any]) -> dict[str, Any]:
    """The AUC in truth of the run's reward model, where the sheet says what soft labels are worth."""
    from ifrl_core.artifacts import ArtifactRef, ArtifactStore
    from ifrl_core.errors import InputError
    from ifrl_core.evaluation.soft_audit import validation_pairs
    from ifrl_core.reward_model.quality.corrected import corrected_by_sheet
    from ifrl_core.stages.runs import load_record

    store = ArtifactStore(store_root())
    refs = load_record(store, run)["refs"]
    if "reward-model" not in refs:
        raise InputError(f"run {run} has no reward model: give one that went as far")
    made = {name.replace("-", "_"): ArtifactRef.model_validate(refs[name]) for name in ("labels", "reward-model")}
    sides = [(soft[side]["agree"], soft[side]["total"]) for side in ("positives", "negatives")]
    return corrected_by_sheet(validation_pairs(made, store), *sides)


def _share(row: dict[str, Any]) -> str:
    from ifrl_core.report.text import percent, percent_interval

    if row["rate"] is None:
        return "–"
    return f"{percent(row['rate'])} ({percent_interval(row['low'], row['high'])}) of {row['total']}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
