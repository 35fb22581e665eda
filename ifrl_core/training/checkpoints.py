"""Checkpoints of a training process: which of them is whole."""

import json
from pathlib import Path


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end: the trainer writes trainer_state.json last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """N of checkpoint-N, with any suffix."""
    return int(checkpoint.stem.rpartition("-")[2])


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # the trainer may be removing an old one
        return False
    return True
