"""`ifrl reproduce`: a run once more, from the same recipe and inputs, held against the first."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ifrl_core.errors import InputError
from ifrl_core.settings import configure_environment, home_folder, store_root

if TYPE_CHECKING:
    from ifrl_core.config import PipelineConfig
    from ifrl_core.stages.reproduction import StageCompared

app = typer.Typer()

_OF_A_FLOW = ("PREFECT_HOME", "PREFECT_RESULTS_LOCAL_STORAGE_PATH", "PREFECT_MEMO_STORE_PATH")


@app.command()
def reproduce(
    run: Annotated[
        str | None, typer.Argument(help="Name of the run, or the id of its flow run in Prefect; default: the latest")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison for scripts")] = False,
) -> None:
    """Run a run's recipe again from the same inputs, on this machine and in a new work folder, so that nothing comes from the
    store; then which stages made the same, and what made them differ. Exit code 2 when one differs."""
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.stages.reproduction import compared_runs
    from ifrl_core.stages.runs import load_record

    store = ArtifactStore(store_root())
    record = load_record(store, run)
    config = _config_of(record)
    home = _work_in(home_folder() / "reproduced", record["run"], config)
    again = _run_again(record["flow"], config)
    stages = compared_runs((store, record), (ArtifactStore(store_root()), again))
    if as_json:
        told = {"run": record["run"], "again": again["run"], "home": str(home), "stages": [asdict(s) for s in stages]}
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo("\n".join(_lines(record["run"], again["run"], home, stages)))
    raise typer.Exit(2 if any(stage.outcome in ("differs", "not made") for stage in stages) else 0)


def _config_of(record: dict[str, Any]) -> "PipelineConfig":
    """The run's recipe, its stages on this machine.

    Raises:
        InputError: for a run whose inputs were not its recipe's alone.
        ConfigError: when this version of ifrl does not take the recipe.
    """
    from ifrl_core.config import ExecutionConfig
    from ifrl_core.config.recipes import build_config

    if record["flow"] == "retrain":
        raise InputError(
            f"run {record['run']} is a retraining: it began with the champion of its day and seeds that were new then, which "
            "no recipe names. Compare its artifacts with `ifrl store diff`"
        )
    config = build_config(record["config"], source=f"the recipe of run {record['run']}")
    here = ExecutionConfig(runner=config.execution.runner, workers=config.execution.workers)
    names = config.registry
    if config.model.startswith("models:/"):  # then the registry that has the model is asked, and told of no challenger
        apart = {"policy_name": f"{names.policy_name}-again", "reward_model_name": f"{names.reward_model_name}-again"}
        names = names.model_copy(update=apart)
    return config.model_copy(update={"execution": here, "registry": names})


def _work_in(parent: Path, run: str, config: "PipelineConfig") -> Path:
    """Have this process work in a folder of its own: store, MLflow, and Prefect's database and results."""
    number = next(n for n in range(1, 10_000) if not (parent / f"{run}-{n}").exists())
    home = parent / f"{run}-{number}"
    for name in _OF_A_FLOW:
        os.environ.pop(name, None)
    if not config.model.startswith("models:/"):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ |= {"IFRL_HOME": str(home), "IFRL_ROOT": str(home / "store"), "PREFECT_TASKS_REFRESH_CACHE": "true"}
    configure_environment()
    return home


def _run_again(flow: str, config: "PipelineConfig") -> dict[str, Any]:
    """The record of the new run."""
    from flows import audit, pipeline
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.stages.runs import load_record

    parts = [
        pipeline.pipeline,
        pipeline.dataset,
        pipeline.reward_model,
        pipeline.policy,
        pipeline.evaluate,
        audit.audit,
    ]
    done = {part.name: part for part in parts}[flow](config=config)
    return load_record(ArtifactStore(store_root()), done["run"])


def _lines(run: str, again: str, home: Path, stages: "list[StageCompared]") -> list[str]:
    from flows.cli.store import short
    from ifrl_core.stages.reproduction import causes

    lines = [f"run        {run}", f"again      {again} in {home}"]
    for stage in stages:
        digests = " ".join((digest or "-")[:12].ljust(12) for digest in (stage.first, stage.second))
        lines.append(f"{stage.stage:<20} {digests}  {stage.outcome} {', '.join(stage.files[:5])}".rstrip())
    differing = causes(stages)
    lines.append(
        "what made them differs" if differing else "both were made by the same code, libraries and machine type"
    )
    lines += [
        f"  {item.part:<10} {item.name:<40} {short(item.first)} -> {short(item.second)}  (first: {stage})"
        for stage, item in differing
    ]
    return lines
