"""What ends a training run before its last step: a request to stop, or a model that is no longer worth training.

Either way the run's error names the last whole checkpoint, and nothing is lost but the steps after it.
"""

import math
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ifrl_core.config import GuardsConfig
from ifrl_core.errors import CollapseError, StoppedError
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.job import CHECKPOINTS, STOP

_terminated = threading.Event()  # of the process: a signal between two trainings ends the second one


class Guards(TrainerCallback):
    """Checks every step. SIGTERM, or the file `stop` (STOP in the job's folder), ends training after the step in hand, which
    is saved first (spot instances, cancelled runs); `check_stopped` then says so."""

    def __init__(self, config: GuardsConfig, folder: Path, stop: Path | None = None) -> None:
        self._config, self._folder, self._stop = config, folder, stop or folder / STOP
        self._bad_steps = 0
        self._stopped_at: int | None = None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: _terminated.set())

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        stop = _terminated.is_set() or self._stop.exists()
        if _on_any_process(stop) and state.global_step < state.max_steps:
            self._stopped_at = state.global_step
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if logs and "loss" in logs:
            self.check(state.global_step, logs)

    def check(self, step: int, logs: Mapping[str, Any]) -> None:
        """Look at the metrics of a step (trl's names).

        Raises:
            CollapseError: when a loss or gradient norm is not a number, or entropy or length have been below their floors
                for `patience` steps in a row.
        """
        for name in ("loss", "grad_norm"):
            if not math.isfinite(float(logs.get(name, 0.0))):
                raise CollapseError(
                    f"{name} of step {step} is {logs[name]}: the weights are spoilt. {self._last()}; a lower learning "
                    "rate, or more warm-up, may help"
                )
        low = self._too_low(logs)
        self._bad_steps = self._bad_steps + 1 if low else 0
        if low and self._bad_steps >= self._config.patience:
            raise CollapseError(
                f"the policy has collapsed: {low} at step {step}, {self._bad_steps} steps in a row. {self._last()}; a KL "
                "term (policy.beta), a lower learning rate or the gates (policy.reward) may help"
            )

    def check_stopped(self, max_steps: int) -> None:
        """Raises StoppedError when training ended because it was asked to."""
        if self._stopped_at is not None:
            raise StoppedError(f"asked to stop at step {self._stopped_at} of {max_steps}. {self._last()}")

    def _too_low(self, logs: Mapping[str, Any]) -> str | None:
        floors = {"entropy": self._config.min_entropy, "completions/mean_length": self._config.min_length}
        for name, floor in floors.items():
            if logs.get(name) is not None and float(logs[name]) < floor:  # None: a step without a token to train on
                return f"{name} {float(logs[name]):.3g} is below {floor:g}"
        return None

    def _last(self) -> str:
        checkpoint = last_checkpoint(self._folder / CHECKPOINTS)
        return f"The last whole checkpoint is {checkpoint}" if checkpoint else "There is no checkpoint yet"


def _on_any_process(stop: bool) -> bool:
    """Whether any process of the job was asked: all have to save the same step."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return stop
    flag = torch.tensor(float(stop), device="cuda" if torch.cuda.is_available() else "cpu")
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag.item())
