"""The training process of the policy: `accelerate launch -m ifrl_core.policy.train_process JOB.json` (see job.py).

trl's GRPOTrainer with one reward function of ours. Killed and started again, it goes on from its last whole checkpoint and
ends with the weights of an undisturbed run (on the same machine type).
"""

import json
import math
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
)
from transformers.utils import logging as transformers_logging
from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import IfrlError, TrainingError
from ifrl_core.policy.clock import StepClock
from ifrl_core.policy.curriculum import Schedule, open_curriculum
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.job import CHECKPOINTS, FAILURE, FINAL, PROMPTS, Job
from ifrl_core.policy.live import AskingTrainer, LiveCurriculum, positions, saved_state
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.process import append_row, die_with_parent
from ifrl_core.rewards.score import RewardPlan

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
    *(
        "reward/",
        "length/",
        "hack/",
        "gated",
        "task_dropped",
        "unscored_share",
        "zero_variance_share",
        "stage",
        "level",
    ),
    *("pass_rate/", "curriculum/", "general/"),
)
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear"}
_KEPT_CHECKPOINTS = 2  # the newest may be half written


def main(path: Path) -> None:
    die_with_parent()
    transformers_logging.disable_progress_bar()
    job = Job.read(path)
    try:
        train(job)
    except IfrlError as error:
        document = {"error": type(error).__name__, "message": str(error)}
        (job.folder / FAILURE).write_text(json.dumps(document))
        raise


def train(job: Job) -> None:
    """Train and save folder/final."""
    clock = StepClock()
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    config = job.config
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32)
    if config.trained_layers is not None:
        freeze_below(model, config.trained_layers, bf16=config.bf16)
    on_cpu = not torch.cuda.is_available()
    rollouts = CopyRollouts(max_tokens=config.max_tokens, temperature=config.temperature, seed=job.seed, clock=clock)
    checkpoint = last_checkpoint(job.folder / CHECKPOINTS)
    schedule = open_schedule(job, checkpoint)
    live = LiveCurriculum(schedule)
    trainer = AskingTrainer(
        model=model,
        reward_funcs=PromptReward(
            _reward_model(job),
            plan=reward_plan(job),
            config=config,
            clock=clock,
            seen=live.seen,
            before=schedule.metrics,
            gather=gather_object,
        ),
        args=grpo_config(config, job.folder / CHECKPOINTS, seed=job.seed, on_cpu=on_cpu),
        train_dataset=positions(config.max_steps, config.prompts_per_step),
        processing_class=tokenizer,
        callbacks=[_Report(job.folder, config, clock), live],
        rollout_func=rollouts if on_cpu else None,
    )
    trainer.schedule = schedule
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_world_process_zero():
        _save(trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False), job)


def open_schedule(job: Job, checkpoint: Path | None) -> Schedule:
    """What to ask, from the start or from where the checkpoint was written."""
    rows = pq.read_table(job.folder / PROMPTS, use_threads=False).to_pylist()
    config = job.config
    instructions = [row for row in rows if not row["check"]]
    schedule = Schedule(
        open_curriculum(instructions, config.curriculum, max_steps=config.max_steps, seed=job.seed),
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
    """trl's configuration; what is not named here is trl's default."""
    from accelerate import PartialState

    rollouts = config.prompts_per_step * config.generations
    processes = PartialState().num_processes
    return GRPOConfig(
        output_dir=str(folder),
        use_cpu=on_cpu,
        seed=seed,
        # One walk through the positions, for which the curriculum names the prompts.
        num_train_epochs=1,
        shuffle_dataset=False,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=rollouts // (config.micro_batch * processes),
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
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint. trainer_state.json is the last file that the trainer writes."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if _is_whole(path)), None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(state, dict) and checkpoint.name == f"checkpoint-{state.get('global_step')}"


class _Report(TrainerCallback):
    """A row of metrics a step, and no checkpoint after the last one: the final model follows."""

    def __init__(self, folder: Path, config: PolicyConfig, clock: StepClock) -> None:
        self._folder, self._clock = folder, clock
        self._rollouts = config.prompts_per_step * config.generations

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
        if not logs or "reward" not in logs or not state.is_world_process_zero:
            return
        row = {_RENAMED.get(name, name): _number(value) for name, value in logs.items() if _is_kept(name)}
        seconds = self._clock.split()
        tokens = float(logs["completions/mean_length"]) * self._rollouts
        row |= {"rollouts": float(self._rollouts), "tokens_per_second": tokens / seconds["seconds/step"], **seconds}
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
    )


def _reward_model(job: Job) -> Any:
    if job.reward_model is None:
        return None
    from ifrl_core.reward_model.score import RewardModel

    return RewardModel(job.reward_model)


def _save(model: PreTrainedModel, job: Job) -> None:
    """Whole or not there: a folder of another name, renamed at the end."""
    partial = job.folder / f"{FINAL}.partial-{time.time_ns()}"
    model.to(torch.bfloat16).save_pretrained(partial)  # type: ignore[arg-type]
    AutoTokenizer.from_pretrained(job.model).save_pretrained(partial)
    partial.rename(job.folder / FINAL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
