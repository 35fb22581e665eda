"""What a training of transformers' own Trainer writes down as it goes, for its stage to show."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ifrl_core.training.job import append_row
from ifrl_core.training.memory import peak_memory_gib


class LogRows(TrainerCallback):
    """Appends a row of metrics a step, and an evaluation where there are some, to the folder of the job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if logs and not {"loss", "eval_loss"}.isdisjoint(logs) and state.is_world_process_zero:
            append_row(self._folder, {"step": state.global_step, "total": state.max_steps, **logs, **peak_memory_gib()})
