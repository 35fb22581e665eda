"""The rows of a large file with P(satisfied) by a reward model, its shards as mapped tasks."""

from pathlib import Path
from typing import Annotated, Any

from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.execution.open_run import open_run
from flows.pipeline import Config, Overrides, Recipe, choose_config, ifrl_flow
from ifrl_core.config import Dtype, PipelineConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.folder import pinned_folder
from ifrl_core.models.stage import import_model
from ifrl_core.reward_model.model.files import unscored_lines
from ifrl_core.reward_model.model.settings import read_settings
from ifrl_core.reward_model.open import ScoringEngine
from ifrl_core.reward_model.scores.output import write_scored
from ifrl_core.reward_model.scores.pairs import ROWS_PER_SHARD, import_pairs, pairs_source
from ifrl_core.reward_model.scores.stage import ScoresConfig, check_scoring, make_scores, scorer_source
from ifrl_core.row_files import check_paths
from ifrl_core.stages.registry import Plan
from ifrl_core.stages.runs import SCORES_A_FILE
from ifrl_core.text.reasoning import Reasoning
from tasks.secrets import load_secrets
from tasks.telling import best_effort

File = Annotated[str, Field(description="Parquet or JSONL with response, constraint, on the worker's machine")]
Scored = Annotated[str, Field(description="Where the rows go, with probability")]
Scorer = Annotated[str, Field(description="A reward model's folder, or models:/name@alias")]
Engine = Annotated[ScoringEngine, Field(description="server: `ifrl serve` of that model at IFRL_REWARD_MODEL_URL")]
Computed = Annotated[Dtype | None, Field(description="None: bfloat16 where the processor computes in it")]
Format = Annotated[Reasoning | None, Field(description="How responses hold answers; none: as the model was trained")]
Rows = Annotated[int, Field(ge=1, description="Rows of a shard, the most that a kill can cost")]


@ifrl_flow(SCORES_A_FILE)
def score(
    recipe: Recipe = "demo-cpu",
    overrides: Overrides = [],  # noqa: B006
    file: File = "",
    output: Scored = "",
    reward_model: Scorer = "",
    engine: Engine = "transformers",
    dtype: Computed = None,
    reasoning: Format = None,
    rows_per_shard: Rows = ROWS_PER_SHARD,
    config: Config = None,
) -> dict[str, Any]:
    """Rows of a file -> shards -> probabilities -> the same rows with them. Of the recipe only `execution` counts."""
    if not (file and output and reward_model):
        raise ConfigError("file, output and reward_model have to be named")
    check_paths(Path(file), Path(output))
    chosen = choose_config(recipe, overrides, config)
    load_secrets()
    plan = planned(chosen, file, reward_model, engine, dtype, reasoning, rows_per_shard)
    with open_run(SCORES_A_FILE, chosen, plan, need_bytes=Path(file).stat().st_size) as run:
        refs = run.stage(import_pairs, {}) | run.stage(import_model, {})
        refs |= run.stage(make_scores, refs)
        write_scored(Path(file), Path(output), refs["pairs"], refs["scores"], run.store)
        figures = run.store.manifest(refs["scores"]).figures
        with best_effort("the counts"):
            lines = "\n".join(f"- {line}" for line in unscored_lines(figures["unscored"]))
            text = f"{figures['scored']} of {figures['rows']} rows scored: {output}\n\n{lines}\n"
            create_markdown_artifact(text, key="ifrl-scores", description=run.name)
    return {"run": run.name, **figures, "output": output, "scores": refs["scores"].model_dump()}


def planned(
    config: PipelineConfig,
    file: str,
    reward_model: str,
    engine: ScoringEngine = "transformers",
    dtype: Dtype | None = None,
    reasoning: Reasoning | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Plan:
    """What every stage is made with, by label; file, model and services are looked at.

    Raises:
        ConfigError, InputError, ModelError, InferenceError: for what is not there, before anything starts.
    """
    pairs, model = pairs_source(Path(file), rows_per_shard), scorer_source(reward_model)
    folder = pinned_folder(model.uri, model.pinned or model.uri, model.digest, {})
    scores = ScoresConfig(engine=engine, dtype=dtype, reasoning=reasoning or read_settings(folder).reasoning)
    check_scoring(scores, folder, here=config.execution.deployment_of(make_scores) is None)
    return {import_pairs.label: pairs, import_model.label: model, make_scores.label: scores}
