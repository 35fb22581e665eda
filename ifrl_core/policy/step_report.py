"""A row of metrics a step, out of trl's logs and the step's clock."""

import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ifrl_core.config import PolicyConfig
from ifrl_core.policy.curve import CURVE
from ifrl_core.records import Row
from ifrl_core.training.clock import StepClock
from ifrl_core.training.job import append_row
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
    *("reward/", "length/", "hack/", "pass_rate/", "curriculum/", "general/", "writing/"),
    *("gated", "task_dropped", "unscored_share", "zero_variance_share", "trained_share", "stage", "level"),
)


class StepReport(TrainerCallback):
    """A row of metrics a step, and no checkpoint after the last one: the final model follows.

    `taken` holds the points of the curve that were measured at the step (measuring.py); they go into its row.
    """

    def __init__(self, folder: Path, config: PolicyConfig, clock: StepClock, taken: list[Row]) -> None:
        self._folder, self._clock, self._taken = folder, clock, taken
        self._rollouts = float(config.rollouts)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._clock.start()

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._clock.begin("optimizer")

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._clock.end()

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
        points = {CURVE: list(self._taken)} if self._taken else {}
        self._taken.clear()
        append_row(self._folder, {"step": state.global_step, **row, **points})


def _is_kept(name: str) -> bool:
    return name in _RENAMED or (name.startswith(_OURS) and name != "reward_std")


def _number(value: Any) -> float | None:
    """JSON and Parquet say null for what is not a number."""
    return float(value) if value is not None and math.isfinite(value) else None
