"""Checkpoints of a training run: which of them is whole."""

import json
from pathlib import Path


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint. trainer_state.json is the last file that the trainer writes."""
    found = sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True)
    return next((path for path in found if _is_whole(path)), None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(state, dict) and checkpoint.name == f"checkpoint-{state.get('global_step')}"


def step_of(checkpoint: Path) -> int:
    """N of checkpoint-N, with any suffix."""
    return int(checkpoint.stem.rpartition("-")[2])
