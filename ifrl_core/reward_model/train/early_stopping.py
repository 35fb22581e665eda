"""Early stopping on the pseudo-labels of the validation pairs.

Whether patience has run out, and which step was the best, follow from the trainer's log alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def out_of_patience(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` evaluations of a log gave no lower validation loss than those before."""
    losses = [row["eval_loss"] for row in history if "eval_loss" in row]
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def best_step(history: Sequence[Mapping[str, Any]]) -> int:
    """The step of the lowest validation loss, the first of equal ones."""
    evaluated = [row for row in history if "eval_loss" in row]
    return int(min(evaluated, key=lambda row: row["eval_loss"])["step"])


def loss_curve(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """[{"step", "loss"}], with "held_out_loss" at the steps of an evaluation."""
    evaluated = {row["step"]: {"held_out_loss": row["eval_loss"]} for row in history if "eval_loss" in row}
    steps = [row for row in history if "loss" in row]
    return [{"step": row["step"], "loss": row["loss"], **evaluated.get(row["step"], {})} for row in steps]


def load_best(trainer: Trainer, checkpoints: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Give the trainer's model the weights of the lowest validation loss."""
    best = checkpoints / f"checkpoint-{best_step(history)}"
    cast(nn.Module, trainer.model).load_state_dict(load_file(best / "model.safetensors"))


class Patience(TrainerCallback):
    """Stops training when `out_of_patience`."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if out_of_patience(state.log_history, self._patience):
            control.should_training_stop = True
        return control
