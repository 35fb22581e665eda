"""A training process that trains nothing: it writes down which devices transformers would train on, or fails, or waits."""

import json
import os
import time
from pathlib import Path

from ifrl_core.errors import CollapseError
from ifrl_core.training.entry import main
from ifrl_core.training.job import FINAL, renamed_when_whole


def train(document: Path) -> None:
    job = json.loads(document.read_text())
    if error := job.get("error"):
        raise CollapseError(error)
    time.sleep(job.get("seconds", 0))
    from transformers import TrainingArguments  # seconds, which who fails or waits does without

    arguments = TrainingArguments(output_dir=str(document.parent))
    devices = {
        "gpus": arguments.n_gpu,
        "mode": arguments.parallel_mode.value,
        "visible": os.environ["CUDA_VISIBLE_DEVICES"],
    }
    with renamed_when_whole(document.parent / FINAL) as folder:
        (folder / "devices.json").write_text(json.dumps(devices))


if __name__ == "__main__":
    main(train)
