"""The stage `warm-start`: the model that the policy of the first round starts from, where a recipe has policy.warm_start."""

from collections import Counter
from statistics import fmean

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.config import LaunchConfig, PipelineConfig, PolicyConfig, WarmStartConfig
from ifrl_core.constraints.identity import Judging, rules_of
from ifrl_core.errors import InputError
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.curriculum import curriculum_stages
from ifrl_core.policy.stage import fitting_prompts, training_prompts
from ifrl_core.records import Row
from ifrl_core.rewards.calls import calls_content
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.training.job import FINAL, metrics_by_step
from ifrl_core.training.run import train_in_child
from ifrl_core.warm_start.calls import call_writer
from ifrl_core.warm_start.choice import DEMONSTRATION, demonstrations
from ifrl_core.warm_start.job import DEMONSTRATIONS, Job, laid_out, warm_start_launch

_OF_POLICY = ("lora", "trained_layers", "bf16", "max_tokens", "max_prompt_tokens", "curriculum")
_HOW = ("gradient_checkpointing", "save_steps")


class WarmStartPlan(WarmStartConfig, Judging):
    """The section, and of the policy's what says which weights are trained and which prompts are asked."""

    policy: PolicyConfig


def warm_start_plan(recipe: PipelineConfig) -> WarmStartPlan | None:
    section = recipe.policy.warm_start
    if section is None:
        return None
    kept = {name: getattr(recipe.policy, name) for name in (*_OF_POLICY, *_HOW)}
    policy = PolicyConfig(launch=LaunchConfig(device=recipe.policy.launch.device, strategy="single"))
    fields = {name: getattr(section, name) for name in WarmStartConfig.model_fields}
    return WarmStartPlan(**fields, policy=policy.model_copy(update=kept), types=recipe.instructions.types)


@stage(
    "warm-start",
    version=1,
    inputs=("model", "prompts", "rollouts"),
    config=warm_start_plan,
    content=lambda config: rules_of(config) | calls_content(config),
    optional=True,
    reads_answers=True,
    placeable=True,
)
def train_warm_start(config: WarmStartPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts, rollouts. Writes model/ (bf16 safetensors and tokenizer) and demonstrations.parquet.

    Raises:
        InputError: when there is nothing to learn from.
        TrainingError: when the training process fails.
    """
    work.progress(0, 1, "choosing demonstrations")
    model = model_folder(inputs["model"], work.store)
    shown = _demonstrations(config, inputs, work)
    rows = laid_out(shown, config, work.seed)
    folder = work.scratch.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=DEMONSTRATION), folder / DEMONSTRATIONS)
    Job(
        config=config.policy,
        model=model.resolve(),
        reward_model=None,
        seed=work.seed,
        folder=folder,
        warm_start=WarmStartConfig(**{name: getattr(config, name) for name in WarmStartConfig.model_fields}),
    ).write()
    train_in_child(warm_start_launch(config.policy), "warm-start", work, lambda row: _show(work, row))
    work.writer.write_folder(work.scratch / FINAL, prefix="model")
    work.writer.write_table(DEMONSTRATIONS, pa.Table.from_pylist(shown, schema=DEMONSTRATION))
    losses = [row["loss"] for row in metrics_by_step(work.scratch)]
    a_pass = max(1, len(losses) // config.epochs)
    return {
        "rows": len(shown),
        "by_source": dict(sorted(Counter(row["source"] for row in shown).items())),
        "by_type": dict(sorted(Counter(name for row in shown for name in row["types"]).items())),
        "loss_first": fmean(losses[:a_pass]),  # nats a token, of the first epoch and the last
        "loss_last": fmean(losses[-a_pass:]),
    }


def _demonstrations(config: WarmStartPlan, inputs: Inputs, work: Work) -> list[Row]:
    from transformers import AutoTokenizer

    model = model_folder(inputs["model"], work.store)
    curriculum = config.policy.curriculum
    levels = {level for of_stage in curriculum_stages(curriculum.strategy, curriculum.levels) for level in of_stage}
    asked = [row for row in training_prompts(inputs["prompts"], work.store) if row["level"] in levels]
    answers = list(work.store.rows(inputs["rollouts"]))
    shown = demonstrations(
        fitting_prompts(asked, model, config.policy),
        answers,
        {row["prompt_id"]: row["instruction_id"] for row in work.store.rows(inputs["prompts"])},
        work.reasoning,
        call_writer(AutoTokenizer.from_pretrained(model)),
        limit=config.rows,
        seed=work.seed,
    )
    if not shown:
        raise InputError(
            f"policy.warm_start has nothing to learn from: of {len(answers)} rollouts none ended by itself and met all hard "
            "constraints of a prompt that training asks, and none asks for a tool call that rules can build; leave it out"
        )
    return shown


def _show(work: Work, row: Row) -> None:
    metrics = {f"train/{name}": row[name] for name in ("loss", "learning_rate", "grad_norm") if name in row}
    memory = {name: value for name, value in row.items() if name.startswith("memory/")}
    work.progress(row["step"], row["total"], f"loss {row['loss']:.3f}", **metrics, **memory)
