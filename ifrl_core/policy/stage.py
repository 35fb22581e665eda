"""Policy optimisation (paper, section 3.5): GRPO on the constraint rewards, through the curriculum.

The stage gathers the prompts, starts the training processes and takes over what they made. Killed at any
moment, the same call goes on from the last whole checkpoint.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import GeneralConfig, LabelsConfig, LaunchConfig, PipelineConfig, PolicyConfig, RewardConfig
from ifrl_core.constraints.identity import Judging, judging, rules_of
from ifrl_core.constraints.sampling import type_weights
from ifrl_core.errors import InputError
from ifrl_core.identity.code import digest_of_code
from ifrl_core.identity.fields import How, used
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.control_marks import marks_of, plain_messages
from ifrl_core.models.folder import model_folder
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import read_config
from ifrl_core.policy import curve
from ifrl_core.policy.benchmark_sets import Measured, measured_benchmarks, write_sets
from ifrl_core.policy.curriculum import curriculum_stages, open_strategy
from ifrl_core.policy.dialogs import check_no_reasoning, parts_of
from ifrl_core.policy.job import POOL, PROMPTS, Job
from ifrl_core.policy.launch import check_grpo, check_launch, policy_launch
from ifrl_core.policy.tables import latest_samples, metrics_table, prompts_used, run_figures, samples_table, steps_of
from ifrl_core.records import Message, Row, conversation_of, messages_of, packed, with_history
from ifrl_core.reward_model.serve.client import open_client
from ifrl_core.rewards.aggregate import reliability_weights
from ifrl_core.rewards.calls import calls_content
from ifrl_core.rewards.likelihood import of_other_values, score_of
from ifrl_core.rewards.problems.stage import problems_of
from ifrl_core.rollouts.standing import spoken
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.text.reasoning import Reasoning
from ifrl_core.training.checkpoints import COMPLETIONS
from ifrl_core.training.job import CHECKPOINTS, FINAL, metrics_by_step
from ifrl_core.training.run import train_in_child


class PolicyPlan(PolicyConfig, Judging):
    """The section, the types whose rules reward, the benchmarks on the curve, and with `keep: best` the share of train
    instructions that is set aside."""

    benchmarks: How[Measured] = Measured()
    validation_share: Annotated[float, used(lambda plan: plan.keep == "best")] = LabelsConfig().validation_share


def policy_plan(recipe: PipelineConfig) -> PolicyPlan:
    """The section without where the general problems lie, which is no part of what is trained: their rows are an input."""
    general = GeneralConfig(ratio=recipe.policy.general.ratio)
    share = recipe.labels.validation_share
    measured = measured_benchmarks(recipe)
    changes = {"general": general, "validation_share": share, "benchmarks": measured}
    plan: PolicyPlan = judging(PolicyPlan, recipe.policy, recipe, **changes)
    return plan


def _check_training(recipe: PipelineConfig) -> None:
    """Whether this machine can train as the recipe says; a placed stage is checked where it runs. Without wishes there is
    nothing to check, and torch need not be loaded."""
    policy, here = recipe.policy, recipe.execution.deployment_of(train_policy) is None
    launch = LaunchConfig(assumed=policy.launch.assumed)
    wishes = policy.generation != "transformers" or policy.turns != "last" or policy.launch != launch
    if here and wishes:
        check_launch(policy)
    if here and policy.grpo:
        check_grpo(policy)


def _scoring_of(config: PolicyPlan) -> dict[str, str]:
    """Digests of the rules that reward, of what makes a score of likelihoods where that rewards, and of what is a call."""
    likelihood = config.reward.soft == "likelihood"
    of_likelihood = {"likelihood": digest_of_code(of_other_values, score_of)} if likelihood else {}
    return rules_of(config) | of_likelihood | calls_content(config)


@stage(
    "policy",
    version=7,
    title="Policy (GRPO)",
    inputs=("model", "prompts", "reward_model"),
    inputs_when={"general": lambda recipe: recipe.policy.general.ratio > 0},
    config=policy_plan,
    check=_check_training,
    content=_scoring_of,
    reads_answers=True,
    placeable=True,
)
def train_policy(config: PolicyPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts, reward_model (needed when prompts have soft constraints), and general (problems) when mixed.

    Writes model/ (bf16 safetensors and tokenizer), metrics.parquet (a row per step), samples.parquet and, with
    `evaluate_every`, curve.parquet.

    Raises:
        ConfigError: when this machine cannot run the training as `launch` and `generation` say.
        InputError: when the prompts cannot fill the curriculum, or have soft constraints and there is no reward model; or
            when general problems are to be mixed in and there are none; or when there is nothing to measure the curve on.
        UnscoredError: when more than max_unscored_share of a step's rewards could not be made.
        TrainingError: when the training process fails otherwise.
    """
    work.progress(0, config.max_steps, "gathering prompts")
    model = model_folder(inputs["model"], work.store)
    aside = _set_aside(config, inputs["prompts"], work)
    prompts = training_prompts(inputs["prompts"], work.store, aside) + general_prompts(config, inputs, work.store)
    dialogs = config.turns == "all"
    fitting = (
        _fitting_dialogs(prompts, model, config, work.reasoning) if dialogs else fitting_prompts(prompts, model, config)
    )
    weights = _weights(config.reward, fitting, inputs, work.store)
    telling = with_weight(fitting, weights)
    rows = _askable(telling, config, seed=work.seed)
    _write_measured(config, inputs["prompts"], aside, model, work)
    job = Job(
        config=config,
        model=model.resolve(),
        reward_model=_reward_model(rows, inputs, work.store) if config.reward.soft == "reward_model" else None,
        layout=work.store.manifest(inputs["prompts"]).config.get("layout", "sentences"),
        weights=weights,
        seed=work.seed,
        reasoning=work.reasoning,
        folder=work.scratch.resolve(),
    )
    if job.reward_model is not None and config.launch.reward_model == "service":
        open_client(job.reward_model)  # before any process is started: it may serve another model
    train_job(job, rows, work)
    told = metrics_by_step(work.scratch)
    metrics, points = steps_of(told), curve.points_of(told)
    work.writer.write_folder(work.scratch / FINAL, prefix="model")
    work.writer.write_table("metrics.parquet", metrics_table(metrics))
    work.writer.write_table("samples.parquet", samples_table(work.scratch / CHECKPOINTS / COMPLETIONS))
    if points:
        work.writer.write_table("curve.parquet", pa.Table.from_pylist(points, schema=curve.POINTS))
    return {
        **run_figures(metrics),
        "prompts_used": prompts_used(work.scratch / CHECKPOINTS / COMPLETIONS),
        **({"prompts_of_dialogs": sum(bool(spoken(messages_of(row["prompt"]))) for row in rows)} if dialogs else {}),
        "prompts_left_out": len(prompts) - len(fitting),
        "prompts_without_weight": len(fitting) - len(telling),
        "soft_scorer": config.reward.soft,
        "soft_weights": weights if config.reward.aggregation == "reliability" else {},
        **curve.curve_figures(points, config.keep),
    }


def training_prompts(prompts: ArtifactRef, store: ArtifactStore, aside: Collection[str] = ()) -> list[Row]:
    """Train prompts of level 1 and up, each with its seed instruction (job.POOL), but those of the instructions `aside`."""
    rows: list[Row] = []
    for row in store.rows(prompts):
        if row["level"] == 0:
            asked = conversation_of(row)
        elif row["split"] == "train" and row["instruction_id"] not in aside:
            rows.append(
                {
                    "prompt": row["messages"],
                    "prompt_id": row["prompt_id"],
                    "level": row["level"],
                    "seed": asked.request,
                    "conversation": packed(with_history(asked, row["messages"])),
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


def _set_aside(config: PolicyPlan, prompts: ArtifactRef, work: Work) -> set[str]:
    """Train instructions that nothing is trained on, because the step that is kept is chosen by them."""
    if config.keep == "last":
        return set()
    train = {row["instruction_id"] for row in work.store.rows(prompts) if row["split"] == "train"}
    return curve.validation_instructions(train, config.validation_share, work.seed)


def _write_measured(config: PolicyPlan, prompts: ArtifactRef, aside: Collection[str], model: Path, work: Work) -> None:
    """Put what the curve is measured on into the job's folder, where one is asked for.

    Raises:
        InputError: when there is nothing, or a benchmark cannot be read.
    """
    if config.evaluate_every is None:
        return
    name = curve.VALIDATION if config.keep == "best" else curve.HELD_OUT
    rows = [
        row
        for row in work.store.rows(prompts)
        if (row["instruction_id"] in aside if config.keep == "best" else row["split"] == "held_out")
    ]
    asked = fitting_prompts(curve.asked_rows(name, rows, asked_levels(config), work.seed), model, config)
    if not asked:
        raise InputError(
            f"policy.evaluate_every has nothing to measure: of {len({row['instruction_id'] for row in rows})} {name} "
            "instructions none has a hard constraint at the levels of policy.curriculum within policy.max_prompt_tokens; use "
            f"more seeds{', or a larger labels.validation_share' if config.keep == 'best' else ''}"
        )
    work.scratch.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(asked, schema=curve.ASKED), work.scratch / curve.MEASURED)
    write_sets(config.benchmarks, work.scratch, _room(model, config))


def train_job(job: Job, rows: Sequence[Row], work: Work) -> None:
    """Run a job on rows of job.POOL until its folder has what it made; killed, the same call goes on."""
    check_launch(job.config)
    job.folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=POOL), job.folder / PROMPTS)
    job.write()
    work.progress(0, job.config.max_steps, "starting the training process")
    train_in_child(policy_launch(job.config), "policy", work, _Shown(work, job).show)


class _Shown:
    """What progress is told of rows of metrics; the last point of the curve stays in the message."""

    def __init__(self, work: Work, job: Job) -> None:
        self._work, self._job = work, job
        self._measured: list[str] = []

    def show(self, row: Row) -> None:
        step, config = int(row["step"]), self._job.config
        points = row.get(curve.CURVE) or []
        if points:
            self._measured = [f"{curve.in_words(points)} at step {step}"]
        shown = step > 0 and step % config.launch.show_samples_every == 0
        samples = latest_samples(self._job.folder / CHECKPOINTS / COMPLETIONS, step - 1) if shown else []
        metrics = {
            name: value for name, value in row.items() if value is not None and name not in ("step", curve.CURVE)
        }
        message = ", ".join(([_earned(row)] if step else []) + self._measured)
        self._work.progress(step, config.max_steps, message, samples=samples, **metrics, **curve.live_metrics(points))


def _earned(row: Row) -> str:
    reward = row.get("reward/total")
    return "reward unscored" if reward is None else f"reward {reward:.2f}"


def fitting_prompts(prompts: Sequence[Row], model: Path, config: PolicyConfig) -> list[Row]:
    """Those of at most max_prompt_tokens which leave room for the longest answer in the model's positions."""
    fits = _room(model, config)
    return [row for row in _plain(prompts, model) if fits(row["prompt"])]


def _fitting_dialogs(prompts: Sequence[Row], model: Path, config: PolicyConfig, reasoning: Reasoning) -> list[Row]:
    """Of prompts that are answered turn by turn: those whose last turn is so short after the longest answers.

    Raises:
        InputError: when the model's answers cannot go on from one another (dialogs.py).
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    check_no_reasoning(tokenizer, reasoning)
    longest = _longest_prompt(model, config)
    return [
        row
        for row in _plain(prompts, model)
        if _asked_at_most(parts_of(tokenizer, row["prompt"]), config.max_tokens) <= longest
    ]


def _asked_at_most(parts: Sequence[Sequence[int]], answer_tokens: int) -> int:
    """Tokens that stand before a dialog's last answer when all before it are as long as they can be."""
    return sum(map(len, parts)) + (len(parts) - 1) * answer_tokens


def _plain(prompts: Sequence[Row], model: Path) -> Iterator[Row]:
    """Marks are broken up here too, so that samples show what the model reads."""
    from transformers import AutoTokenizer

    marks = marks_of(AutoTokenizer.from_pretrained(model))
    return ({**row, "prompt": plain_messages(row["prompt"], marks)} for row in prompts)


def _room(model: Path, config: PolicyConfig) -> Callable[[Sequence[Message]], bool]:
    """Whether a prompt is short enough."""
    from transformers import AutoTokenizer

    tokenizer, longest = AutoTokenizer.from_pretrained(model), _longest_prompt(model, config)
    return lambda messages: len(prompt_ids(tokenizer, messages)) <= longest


def _longest_prompt(model: Path, config: PolicyConfig) -> int:
    """In tokens."""
    positions = positions_of(read_config(model, str(model)))
    return (
        config.max_prompt_tokens if positions is None else min(config.max_prompt_tokens, positions - config.max_tokens)
    )


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
    levels = asked_levels(config)
    return [row for row in instructions if row["level"] in levels] + problems


def asked_levels(config: PolicyConfig) -> set[int]:
    """The levels that training comes to."""
    stages = curriculum_stages(config.curriculum.strategy, config.curriculum.levels)[: config.blocks]
    return {level for stage in stages for level in stage}


def _reward_model(rows: Sequence[Row], inputs: Inputs, store: ArtifactStore) -> Path | None:
    soft = next((row for row in rows if any(c["kind"] == "soft" for c in row["constraints"])), None)
    if soft is None:
        return None
    if "reward_model" not in inputs:
        raise InputError(f"prompt {soft['prompt_id']} has a soft constraint and no reward model was given to score it")
    return model_folder(inputs["reward_model"], store).resolve()


def with_weight(rows: Sequence[Row], weights: Mapping[str, float]) -> list[Row]:
    """Problems, and instructions of which some constraint counts: to the others every answer earns the same."""
    return [
        row
        for row in rows
        if row.get("check") or any(weights.get(constraint["type"], 1.0) for constraint in row["constraints"])
    ]


def _weights(config: RewardConfig, rows: Sequence[Row], inputs: Inputs, store: ArtifactStore) -> dict[str, float]:
    """Weight of each type in the reward, as the config names them or the reward model's figures earn them."""
    if config.aggregation == "weighted":
        return type_weights(config.weights)
    if config.aggregation == "reliability" and "reward_model" in inputs:
        soft = sorted({c["type"] for row in rows for c in row["constraints"] if c["kind"] == "soft"})
        return reliability_weights(store.manifest(inputs["reward_model"]).figures, soft)
    return {}
