"""Checkpoints of a training process: which of them is whole, and what lies beside them."""

import json
import shutil
from pathlib import Path
from typing import Any

COMPLETIONS = "completions"  # trl's folder of tables, one a step, beside the checkpoints
UPLOADING = ".upload-"  # folders of copies on their way to the store
_STATE = "trainer_state.json"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end: the trainer writes trainer_state.json last."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{_STATE}") if _is_json(path)]
    return max(whole, key=step_of, default=None)


def remove_half_written(folder: Path) -> None:
    """Remove checkpoints that a kill cut off, lest their files get into one of the same step, and copies of uploads."""
    whole = {path.parent for path in folder.glob(f"checkpoint-*/{_STATE}") if _is_json(path)}
    for path in [*folder.glob("checkpoint-*"), *folder.glob(f"{UPLOADING}*")]:
        if path.is_dir() and path not in whole:
            shutil.rmtree(path, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """N of checkpoint-N, with any suffix."""
    return int(checkpoint.stem.rpartition("-")[2])


def whole_tables(completions: Path, last_step: int) -> list[Path]:
    """trl's completions tables up to a step, in order.

    trl writes a step's table after its row of metrics and before its checkpoint: who reads beside the training asks for the
    steps before the newest row, or for those of a whole checkpoint. A later table may be half written.
    """
    files = sorted(completions.glob("completions_*.parquet"))
    return [file for file in files if int(file.stem.rpartition("_")[2]) <= last_step]


def best_step(checkpoint: Path) -> int | None:
    """The step of the best checkpoint so far, which a training with early stopping or `keep: best` ends with; else None."""
    step: int | None = json.loads((checkpoint / _STATE).read_text()).get("best_global_step")
    return step


def point_to_best(checkpoint: Path, folder: Path) -> None:
    """Have a checkpoint that came from another machine name its best one in `folder`: the trainer saves whole paths."""
    state: dict[str, Any] = json.loads((checkpoint / _STATE).read_text())
    if state.get("best_model_checkpoint"):
        state["best_model_checkpoint"] = str(folder / f"checkpoint-{state['best_global_step']}")
        (checkpoint / _STATE).write_text(json.dumps(state, indent=2, sort_keys=True) + "\n")


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # the trainer may be removing an old one
        return False
    return True
