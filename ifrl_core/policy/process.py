"""A training process of the policy, one or one of many: `... -m ifrl_core.policy.process JOB.json` (launch.py, job.py).

trl's GRPOTrainer with one reward function of ours. Killed and started again, it goes on from its last whole checkpoint and
ends with the weights of an undisturbed run (on the same machine type).
"""

import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from accelerate.utils import gather_object
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils import logging as transformers_logging
from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig
from ifrl_core.config.trl_fields import SAMPLING
from ifrl_core.errors import ConfigError, IfrlError, TrainingError
from ifrl_core.policy.adapter import merged, peft_config
from ifrl_core.policy.curriculum import Schedule, open_strategy
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.job import CHECKPOINTS, FAILURE, FINAL, PROMPTS, Job
from ifrl_core.policy.live import AskingTrainer, LiveCurriculum, positions, saved_state
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.rewards.intent import REFERENCES, EmbeddingIntent
from ifrl_core.rewards.score import OffTask, RewardPlan, off_task_by_words
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.child import append_row, die_with_launcher
from ifrl_core.training.clock import StepClock
from ifrl_core.training.guards import Guards
from ifrl_core.training.launch import VLLM_URL
from ifrl_core.training.memory import peak_memory_gib

# trl's names -> ours; metrics of the reward function come under our names already.
_RENAMED = {
    "reward": "reward/total",
    "reward_std": "reward/std",
    "completions/mean_length": "length/tokens",
    "completions/clipped_ratio": "clipped_ratio",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "loss": "loss",
    "kl": "kl",
    "entropy": "entropy",
}
_OURS = (
    *("reward/", "length/", "hack/", "pass_rate/", "curriculum/", "general/"),
    *("gated", "task_dropped", "unscored_share", "zero_variance_share", "stage", "level"),
)
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear"}
_KEPT_CHECKPOINTS = 2  # the newest may be half written


def main(path: Path) -> None:
    die_with_launcher()
    transformers_logging.disable_progress_bar()
    job = Job.read(path)
    try:
        train(job)
    except IfrlError as error:
        document = {"error": type(error).__name__, "message": _with_last_checkpoint(str(error), job)}
        (job.folder / FAILURE).write_text(json.dumps(document))
        raise


def _with_last_checkpoint(message: str, job: Job) -> str:
    found = last_checkpoint(job.folder / CHECKPOINTS)
    return message if found is None or str(found) in message else f"{message}. The last whole checkpoint is {found}"


def train(job: Job) -> None:
    """Train and save folder/final."""
    clock, config = StepClock(), job.config
    on_cpu = not torch.cuda.is_available() or config.launch.device == "cpu"
    if not on_cpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    checkpoint = last_checkpoint(job.folder / CHECKPOINTS)
    schedule = open_schedule(job, checkpoint)
    live = LiveCurriculum(schedule, updates=config.updates_per_block)
    guards = Guards(config.guards, job.folder)
    # In this order: from the arguments on, models are loaded in parts (ZeRO-3), and the reward model must be whole.
    reward = PromptReward(
        _reward_model(job),
        plan=reward_plan(job),
        config=config,
        clock=clock,
        seen=live.seen,
        before=schedule.metrics,
        gather=gather_object,
    )
    args = grpo_config(config, job.folder / CHECKPOINTS, seed=job.seed, on_cpu=on_cpu)
    set_seed(job.seed)  # before adapters are drawn
    trainer = AskingTrainer(
        model=load_policy(job.model, config),
        reward_funcs=reward,
        args=args,
        train_dataset=positions(config.blocks, config.prompts_per_step),
        processing_class=AutoTokenizer.from_pretrained(job.model),
        callbacks=[_Report(job.folder, config, clock), live, guards],
        rollout_func=_rollouts(job, clock) if on_cpu and not SAMPLING & config.grpo.keys() else None,
        peft_config=peft_config(config.lora) if config.lora else None,
    )
    trainer.schedule = schedule
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    guards.check_stopped(config.max_steps)
    _save(trainer, job)


def load_policy(folder: Path, config: PolicyConfig) -> PreTrainedModel:
    """The policy in float32, what is frozen in bf16 (with `bf16`): autocast would make bf16 of it in every pass.

    Raises:
        TrainingError: when `trained_layers` is set for a model that does not name its layers.
    """
    # A sharded model has one number format.
    frozen = config.lora is not None and config.bf16 and not config.launch.sharded
    dtype = torch.bfloat16 if frozen else torch.float32
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    if config.trained_layers is not None:
        freeze_below(model, config.trained_layers, bf16=config.bf16)
    return model


def open_schedule(job: Job, checkpoint: Path | None) -> Schedule:
    """What to ask, from the start or from where the checkpoint was written."""
    rows = pq.read_table(job.folder / PROMPTS, use_threads=False).to_pylist()
    config = job.config
    instructions = [row for row in rows if not row["check"]]
    schedule = Schedule(
        open_strategy(instructions, config.curriculum, max_steps=config.blocks, seed=job.seed),
        [row for row in rows if row["check"]],
        prompts_per_step=config.prompts_per_step,
        ratio=config.general.ratio,
        seed=job.seed,
    )
    if checkpoint is not None:
        schedule.restore(saved_state(checkpoint), {row["prompt_id"]: row for row in rows})
    return schedule


def freeze_below(model: PreTrainedModel, trained_layers: int, *, bf16: bool) -> None:
    """Leave only the top layers and the last norm trainable: the backward pass ends there, and a step costs half.

    With `bf16` the frozen weights are kept in bf16, which autocast would make of them in every pass.

    Raises:
        TrainingError: when the model does not name its layers the way Llama, Qwen, Mistral and their kin do.
    """
    body: Any = model.base_model
    if not hasattr(body, "layers") or not hasattr(body, "norm"):
        raise TrainingError(f"{type(model).__name__} does not name its layers; leave policy.trained_layers empty")
    model.requires_grad_(False)
    for part in (*body.layers[-trained_layers:], body.norm):
        part.requires_grad_(True)
    for weight in model.parameters():
        if bf16 and not weight.requires_grad:
            weight.data = weight.data.bfloat16()


def grpo_config(config: PolicyConfig, folder: Path, *, seed: int, on_cpu: bool) -> GRPOConfig:
    """trl's configuration; what is named neither here nor under `policy.grpo` is trl's default.

    Raises:
        ConfigError: when trl refuses a value.
    """
    arguments = _arguments(config, folder, seed=seed, on_cpu=on_cpu)
    try:
        return GRPOConfig(**{**arguments, **config.grpo})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trl refuses the configuration of the policy (policy.grpo): {error}") from error


def _arguments(config: PolicyConfig, folder: Path, *, seed: int, on_cpu: bool) -> dict[str, Any]:
    processes = int(os.environ.get("WORLD_SIZE", 1))  # of the launcher
    return dict(
        output_dir=str(folder),
        use_cpu=on_cpu,
        seed=seed,
        # One walk through the positions, for which the curriculum names the prompts.
        num_train_epochs=1,
        shuffle_dataset=False,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=config.rollouts // (config.micro_batch * processes),
        num_generations=config.generations,
        max_completion_length=config.max_tokens,
        temperature=config.temperature,
        top_k=0,
        learning_rate=config.learning_rate,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=config.warmup_steps,
        beta=config.beta,
        scale_rewards=config.scale_rewards,
        bf16=config.bf16,
        gradient_checkpointing=config.gradient_checkpointing,
        save_strategy="steps",
        save_steps=config.save_steps,
        save_total_limit=_KEPT_CHECKPOINTS,
        logging_steps=1,
        log_completions=True,
        num_completions_to_print=0,
        report_to=[],
        disable_tqdm=True,
        ddp_find_unused_parameters=False,  # every trained weight is used in every pass
        **_vllm(config),
    )


def _vllm(config: PolicyConfig) -> dict[str, Any]:
    """trl's fields for vLLM; it sees prompts and answers up to the recipe's lengths."""
    if config.generation == "transformers":
        return {}
    common = {"use_vllm": True, "vllm_mode": config.generation.removeprefix("vllm_")}
    if config.generation == "vllm_server":
        return {**common, "vllm_server_base_url": os.environ[VLLM_URL]}
    return {
        **common,
        "vllm_gpu_memory_utilization": config.launch.vllm_gpu_memory_utilization,
        "vllm_max_model_length": config.max_prompt_tokens + config.max_tokens,
    }


class _Report(TrainerCallback):
    """A row of metrics a step, and no checkpoint after the last one: the final model follows."""

    def __init__(self, folder: Path, config: PolicyConfig, clock: StepClock) -> None:
        self._folder, self._clock = folder, clock
        self._rollouts = float(config.rollouts)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._clock.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._clock.stop()
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        row = {_RENAMED.get(name, name): _number(value) for name, value in logs.items() if _is_kept(name)}
        seconds = self._clock.split()
        rollouts = self._rollouts if "reward" in logs else 0.0  # a further update on the same rollouts
        tokens = float(logs.get("completions/mean_length", 0.0)) * rollouts
        row |= {
            "rollouts": rollouts,
            "tokens_per_second": tokens / seconds["seconds/step"],
            **seconds,
            **peak_memory_gib(),
        }
        append_row(self._folder, {"step": state.global_step, **row})


def _is_kept(name: str) -> bool:
    return name in _RENAMED or (name.startswith(_OURS) and name != "reward_std")


def _number(value: Any) -> float | None:
    """JSON and Parquet say null for what is not a number."""
    return float(value) if value is not None and math.isfinite(value) else None


def reward_plan(job: Job) -> RewardPlan:
    chosen = job.config.reward
    return RewardPlan(
        aggregation=chosen.aggregation,
        weights=job.weights,
        decay=chosen.decay,
        degenerate_factor=chosen.degenerate_factor,
        intent_factor=chosen.intent_factor,
        require_reasoning=chosen.require_reasoning,
        off_task=_off_task(job),
    )


def _off_task(job: Job) -> OffTask:
    """How the intent gate tells; by meaning against seeds of the run, which the job's seed draws."""
    chosen = job.config.reward
    if chosen.intent == "words" or chosen.intent_factor == 1:
        return off_task_by_words
    seeds = sorted(set(pq.read_table(job.folder / PROMPTS, columns=["seed"])["seed"].to_pylist()))
    judge = EmbeddingIntent(job.model, random.Random(job.seed).sample(seeds, min(REFERENCES, len(seeds))))
    return lambda asked, answers: [score < chosen.intent_threshold for score in judge.scores(asked, answers)]


def _reward_model(job: Job) -> Any:
    if job.reward_model is None:
        return None
    if job.config.launch.reward_model == "service":
        from ifrl_core.reward_model.serve.client import open_client

        return open_client()
    from ifrl_core.reward_model.model.score import RewardModel

    return RewardModel(job.reward_model)


def _rollouts(job: Job, clock: StepClock) -> CopyRollouts:
    config = job.config
    dtype = torch.bfloat16 if config.bf16 else torch.float32
    return CopyRollouts(
        max_tokens=config.max_tokens, temperature=config.temperature, seed=job.seed, clock=clock, dtype=dtype
    )


def _save(trainer: AskingTrainer, job: Job) -> None:
    """The final model, written by the first process. Whole or not there: a folder of another name, renamed at the end."""
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # of all processes, where they hold parts
    if not trainer.is_world_process_zero():
        return
    unset_hf_deepspeed_config()  # from here on models are loaded whole again
    partial = job.folder / f"{FINAL}.partial-{time.time_ns()}"
    _trained(job, weights).save_pretrained(partial)
    AutoTokenizer.from_pretrained(job.model).save_pretrained(partial)
    partial.rename(job.folder / FINAL)


def _trained(job: Job, weights: dict[str, Any]) -> PreTrainedModel:
    """The base model with trained weights, or with trained adapters merged in, in bf16."""
    model: PreTrainedModel
    if job.config.lora is not None:
        model = merged(job.model, job.config.lora, weights)
        return model.to(torch.bfloat16)  # type: ignore[arg-type,no-any-return]
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.bfloat16)
    model.load_state_dict(weights)
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]))
