"""Policy optimisation (paper, section 3.5): GRPO on the constraint rewards, through the curriculum.

The stage lays out the prompts, starts the training processes (launch.py) and gathers what they made. Killed at any
moment, the same call goes on from the last whole checkpoint.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core import errors
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig, RewardConfig
from ifrl_core.constraints.sampling import type_weights
from ifrl_core.errors import InputError, TrainingError
from ifrl_core.models import model_folder
from ifrl_core.policy.checkpoint_upload import kept_in_store
from ifrl_core.policy.curriculum import Row, lay_out
from ifrl_core.policy.job import CHECKPOINTS, FAILURE, FINAL, PROMPTS, PROMPTS_IN_ORDER, Job
from ifrl_core.policy.launch import check_launch, run_training, write_accelerate_config
from ifrl_core.policy.tables import metrics_table, run_figures, samples_table
from ifrl_core.process import METRICS
from ifrl_core.rewards.aggregate import reliability_weights
from ifrl_core.stage import Figures, Inputs, Work, stage


@stage("policy", version=3)
def train_policy(config: PolicyConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts, and reward_model (needed when prompts have soft constraints).

    Writes model/ (bf16 safetensors and tokenizer), metrics.parquet (a row per step) and samples.parquet.

    Raises:
        ConfigError: when this machine cannot run the training as `launch` and `generation` say.
        InputError: when the prompts cannot fill the curriculum, or have soft constraints and there is no reward model.
        UnscoredError: when more than max_unscored_share of a step's rewards could not be made.
        TrainingError: when the training process fails otherwise.
    """
    work.progress(0, config.max_steps, "laying out prompts")
    model = model_folder(inputs["model"], work.store)
    prompts = training_prompts(inputs["prompts"], work.store)
    fitting = _fitting(prompts, model, config.max_prompt_tokens)
    rows = lay_out(
        fitting,
        config.curriculum,
        max_steps=config.max_steps // config.updates_per_block,
        prompts_per_step=config.prompts_per_step,
        seed=work.seed,
    )
    job = Job(
        config=config,
        model=model.resolve(),
        reward_model=_reward_model(rows, inputs, work.store),
        weights=_weights(config.reward, inputs, work.store),
        seed=work.seed,
        folder=work.scratch.resolve(),
    )
    if not (work.scratch / FINAL).exists():
        _train(job, rows, work)
    metrics = _metrics(work.scratch)
    work.writer.write_folder(work.scratch / FINAL, prefix="model")
    work.writer.write_table("metrics.parquet", metrics_table(metrics))
    work.writer.write_table("samples.parquet", samples_table(work.scratch / CHECKPOINTS / "completions"))
    used = len({row["prompt_id"] for row in rows})
    return {**run_figures(metrics), "prompts_used": used, "prompts_left_out": len(prompts) - len(fitting)}


def training_prompts(prompts: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """Train prompts of level 1 and up (columns PROMPTS_IN_ORDER without `stage`), each with its seed instruction."""
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


def _train(job: Job, rows: Sequence[Row], work: Work) -> None:
    folder, shape = job.folder, check_launch(job.config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE).unlink(missing_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=PROMPTS_IN_ORDER), folder / PROMPTS)
    work.progress(0, job.config.max_steps, "starting the training process")
    write_accelerate_config(job.config, shape, folder)
    job.write()
    remote = f"{work.store.folder('policy', work.fingerprint)}/{CHECKPOINTS}"
    try:
        with kept_in_store(work.store, remote, folder / CHECKPOINTS) as uploads:

            def on_row(row: Row) -> None:
                _show(work, job.config.max_steps, row)
                if uploads:
                    uploads.look()

            run_training(job, on_row=on_row)
    except TrainingError as error:
        raise _failure(folder) or error from None


def _show(work: Work, total: int, row: Mapping[str, float | None]) -> None:
    reward, step = row.get("reward/total"), row["step"]
    metrics = {name: value for name, value in row.items() if value is not None and name != "step"}
    message = "reward unscored" if reward is None else f"reward {reward:.2f}"
    work.progress(int(step or 0), total, message, **metrics)


def _failure(folder: Path) -> errors.IfrlError | None:
    """The error of ours that the process wrote down before it ended."""
    if not (folder / FAILURE).exists():
        return None
    document = json.loads((folder / FAILURE).read_text())
    kind: type[errors.IfrlError] = getattr(errors, document["error"], TrainingError)
    return kind(document["message"])


def _metrics(folder: Path) -> list[Row]:
    """Rows by step. A step that was made again after a kill counts as made last."""
    rows = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [row for _, row in sorted({row["step"]: row for row in rows}.items())]


def _fitting(prompts: Sequence[Row], model: Path, max_tokens: int) -> list[Row]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)

    def tokens(row: Row) -> int:
        text = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return [row for row in prompts if tokens(row) <= max_tokens]


def _reward_model(rows: Sequence[Row], inputs: Inputs, store: ArtifactStore) -> Path | None:
    soft = next((row for row in rows if any(c["kind"] == "soft" for c in row["constraints"])), None)
    if soft is None:
        return None
    if "reward_model" not in inputs:
        raise InputError(f"prompt {soft['prompt_id']} has a soft constraint and no reward model was given to score it")
    return model_folder(inputs["reward_model"], store).resolve()


def _weights(config: RewardConfig, inputs: Inputs, store: ArtifactStore) -> dict[str, float]:
    """Weight of each type in the reward, as the config names them or the reward model's figures earn them."""
    if config.aggregation == "weighted":
        return type_weights(config.weights)
    if config.aggregation == "reliability" and "reward_model" in inputs:
        return reliability_weights(store.manifest(inputs["reward_model"]).figures)
    return {}
