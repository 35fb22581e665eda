"""Policy optimisation (paper, section 3.5): GRPO on the constraint rewards, through the curriculum.

The stage gathers the prompts, starts the training processes and takes over what they made. Killed at any
moment, the same call goes on from the last whole checkpoint.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import GeneralConfig, LaunchConfig, PipelineConfig, PolicyConfig, RewardConfig
from ifrl_core.constraints.identity import Judging, judging, rules_of
from ifrl_core.constraints.sampling import type_weights
from ifrl_core.errors import InputError
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.control_marks import marks_of, plain_messages
from ifrl_core.models.folder import model_folder
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import read_config
from ifrl_core.policy.curriculum import curriculum_stages, open_strategy
from ifrl_core.policy.job import POOL, PROMPTS, Job
from ifrl_core.policy.launch import check_grpo, check_launch, policy_launch
from ifrl_core.policy.tables import latest_samples, metrics_table, prompts_used, run_figures, samples_table
from ifrl_core.records import Row
from ifrl_core.reward_model.serve.client import open_client
from ifrl_core.rewards.aggregate import reliability_weights
from ifrl_core.rewards.problems.stage import problems_of
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.training.checkpoints import COMPLETIONS
from ifrl_core.training.job import CHECKPOINTS, FINAL, metrics_by_step
from ifrl_core.training.run import train_in_child


class PolicyPlan(PolicyConfig, Judging):
    """The section, and the types whose rules reward."""


def policy_plan(recipe: PipelineConfig) -> PolicyPlan:
    """The section without where the general problems lie, which is no part of what is trained: their rows are an input."""
    general = GeneralConfig(ratio=recipe.policy.general.ratio)
    plan: PolicyPlan = judging(PolicyPlan, recipe.policy, recipe, general=general)
    return plan


def _check_training(recipe: PipelineConfig) -> None:
    """Whether this machine can train as the recipe says; a placed stage is checked where it runs. Without wishes there is
    nothing to check, and torch need not be loaded."""
    policy, here = recipe.policy, recipe.execution.deployment_of(train_policy) is None
    wishes = policy.generation != "transformers" or policy.launch != LaunchConfig(assumed=policy.launch.assumed)
    if here and wishes:
        check_launch(policy)
    if here and policy.grpo:
        check_grpo(policy)


@stage(
    "policy",
    version=6,
    title="Policy (GRPO)",
    inputs=("model", "prompts", "reward_model"),
    inputs_when={"general": lambda recipe: recipe.policy.general.ratio > 0},
    config=policy_plan,
    check=_check_training,
    content=rules_of,
    reads_answers=True,
    placeable=True,
)
def train_policy(config: PolicyPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts, reward_model (needed when prompts have soft constraints), and general (problems) when mixed.

    Writes model/ (bf16 safetensors and tokenizer), metrics.parquet (a row per step) and samples.parquet.

    Raises:
        ConfigError: when this machine cannot run the training as `launch` and `generation` say.
        InputError: when the prompts cannot fill the curriculum, or have soft constraints and there is no reward model; or
            when general problems are to be mixed in and there are none.
        UnscoredError: when more than max_unscored_share of a step's rewards could not be made.
        TrainingError: when the training process fails otherwise.
    """
    work.progress(0, config.max_steps, "gathering prompts")
    model = model_folder(inputs["model"], work.store)
    prompts = training_prompts(inputs["prompts"], work.store) + general_prompts(config, inputs, work.store)
    fitting = _fitting(prompts, model, config)
    rows = _askable(fitting, config, seed=work.seed)
    job = Job(
        config=config,
        model=model.resolve(),
        reward_model=_reward_model(rows, inputs, work.store),
        weights=_weights(config.reward, rows, inputs, work.store),
        seed=work.seed,
        reasoning=work.reasoning,
        folder=work.scratch.resolve(),
    )
    if job.reward_model is not None and config.launch.reward_model == "service":
        open_client(job.reward_model)  # before any process is started: it may serve another model
    _train(job, rows, work)
    metrics = metrics_by_step(work.scratch)
    work.writer.write_folder(work.scratch / FINAL, prefix="model")
    work.writer.write_table("metrics.parquet", metrics_table(metrics))
    work.writer.write_table("samples.parquet", samples_table(work.scratch / CHECKPOINTS / COMPLETIONS))
    used = prompts_used(work.scratch / CHECKPOINTS / COMPLETIONS)
    return {**run_figures(metrics), "prompts_used": used, "prompts_left_out": len(prompts) - len(fitting)}


def training_prompts(prompts: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """Train prompts of level 1 and up, each with its seed instruction (job.POOL)."""
    rows: list[Row] = []
    seed = ""
    for row in store.rows(prompts):
        if row["level"] == 0:
            seed = row["messages"][-1]["content"]
        elif row["split"] == "train":
            rows.append(
                {
                    "prompt": row["messages"],
                    "prompt_id": row["prompt_id"],
                    "level": row["level"],
                    "seed": seed,
                    "constraints": row["constraints"],
                }
            )
    return rows


def general_prompts(config: PolicyConfig, inputs: Inputs, store: ArtifactStore) -> list[Row]:
    """Train problems as rows of job.POOL, none when none are mixed in."""
    if not config.general.ratio:
        return []
    if "general" not in inputs:
        raise InputError(f"policy.general.ratio is {config.general.ratio} and no general problems were given")
    return [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "prompt_id": row["prompt_id"],
            "level": 0,
            "seed": row["prompt"],
            "constraints": [],
            "check": row["kind"],
            "answer": row["answer"],
            "source": row["source"],
        }
        for row in problems_of(inputs["general"], store, "train")
    ]


def _train(job: Job, rows: Sequence[Row], work: Work) -> None:
    check_launch(job.config)
    job.folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=POOL), job.folder / PROMPTS)
    job.write()
    work.progress(0, job.config.max_steps, "starting the training process")
    train_in_child(policy_launch(job.config), "policy", work, lambda row: _show(work, job, row))


def _show(work: Work, job: Job, row: Mapping[str, float | None]) -> None:
    reward, step = row.get("reward/total"), int(row["step"] or 0)
    shown = step % job.config.launch.show_samples_every == 0
    samples = latest_samples(job.folder / CHECKPOINTS / COMPLETIONS, step - 1) if shown else []
    metrics = {name: value for name, value in row.items() if value is not None and name != "step"}
    message = "reward unscored" if reward is None else f"reward {reward:.2f}"
    work.progress(step, job.config.max_steps, message, samples=samples, **metrics)


def _fitting(prompts: Sequence[Row], model: Path, config: PolicyConfig) -> list[Row]:
    """Those of at most max_prompt_tokens which leave room for the longest answer in the model's positions."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    positions = positions_of(read_config(model, str(model)))
    room = (
        config.max_prompt_tokens if positions is None else min(config.max_prompt_tokens, positions - config.max_tokens)
    )
    # Marks are broken up here, because trl renders the prompts by itself.
    plain = ({**row, "prompt": plain_messages(row["prompt"], marks_of(tokenizer))} for row in prompts)
    return [row for row in plain if len(prompt_ids(tokenizer, row["prompt"])) <= room]


def _askable(rows: Sequence[Row], config: PolicyConfig, *, seed: int) -> list[Row]:
    """Those that training may come to ask.

    Raises:
        InputError: when a stage of the curriculum, or the mix, finds none.
    """
    problems = [row for row in rows if row.get("check")]
    instructions = [row for row in rows if not row.get("check")]
    open_strategy(instructions, config.curriculum, max_steps=config.blocks, seed=seed)
    if config.general.ratio and not problems:
        raise InputError("all general problems are longer than policy.max_prompt_tokens; raise it, or leave them out")
    stages = curriculum_stages(config.curriculum.strategy, config.curriculum.levels)[: config.blocks]
    levels = {level for stage in stages for level in stage}
    return [row for row in instructions if row["level"] in levels] + problems


def _reward_model(rows: Sequence[Row], inputs: Inputs, store: ArtifactStore) -> Path | None:
    soft = next((row for row in rows if any(c["kind"] == "soft" for c in row["constraints"])), None)
    if soft is None:
        return None
    if "reward_model" not in inputs:
        raise InputError(f"prompt {soft['prompt_id']} has a soft constraint and no reward model was given to score it")
    return model_folder(inputs["reward_model"], store).resolve()


def _weights(config: RewardConfig, rows: Sequence[Row], inputs: Inputs, store: ArtifactStore) -> dict[str, float]:
    """Weight of each type in the reward, as the config names them or the reward model's figures earn them."""
    if config.aggregation == "weighted":
        return type_weights(config.weights)
    if config.aggregation == "reliability" and "reward_model" in inputs:
        soft = sorted({c["type"] for row in rows for c in row["constraints"] if c["kind"] == "soft"})
        return reliability_weights(store.manifest(inputs["reward_model"]).figures, soft)
    return {}
