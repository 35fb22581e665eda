"""Peak memory of a reward-model training on the CPU, against the arithmetic of `ifrl plan`.

    python benchmarks/reward_model_memory.py MODEL_FOLDER

Each line is a training of two steps in a process of its own, on answers as long as the input allows. Measured is the peak of
resident memory (`memory/process_gib`, of each step alone) above what the process held with its libraries loaded;
the plan is without its two GiB for CUDA and gaps.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONFIGS: tuple[dict[str, Any], ...] = (
    {"layers": 2, "micro_batch": 1, "max_tokens": 128},
    {"layers": 2, "micro_batch": 4, "max_tokens": 512},
    {"layers": 8, "micro_batch": 1, "max_tokens": 128},
    {"layers": 8, "micro_batch": 4, "max_tokens": 512},
    {"layers": 8, "micro_batch": 4, "max_tokens": 512, "bf16": False},
    {"layers": 8, "micro_batch": 4, "max_tokens": 512, "gradient_checkpointing": True},
    {"layers": 8, "micro_batch": 4, "max_tokens": 512, "lora": 8},
    {"layers": None, "micro_batch": 2, "max_tokens": 256},
)
_GIB = 2**30


def main(model: str) -> None:
    from ifrl_core.config import RewardModelConfig
    from ifrl_core.models.shapes import model_shape
    from ifrl_core.plan.reward_model import training_bytes
    from ifrl_core.plan.sizes import OVERHEAD
    from ifrl_core.training.launch import KEEP_MEMORY

    shape = model_shape(model)
    print("| layers | responses x tokens | format | trained | planned, GiB | measured, GiB | measured / planned |")
    print("|---|---|---|---|---|---|---|")
    for options in CONFIGS:
        config = RewardModelConfig(**options, batch_size=options["micro_batch"], baselines=False)
        planned = (training_bytes(config, shape) - OVERHEAD) / _GIB
        command = [sys.executable, __file__, model, config.model_dump_json()]
        done = subprocess.run(command, env={**os.environ, **KEEP_MEMORY}, capture_output=True, text=True, check=True)
        measured = float(done.stdout.splitlines()[-1])
        lines = [
            config.layers or "all",
            f"{config.micro_batch} x {config.max_tokens}",
            "bf16" if config.bf16 else "float32",
        ]
        how = [f"LoRA {config.lora}"] if config.lora else ["recomputed"] if config.gradient_checkpointing else ["all"]
        lines += [*how, f"{planned:.2f}", f"{measured:.2f}"]
        print("| " + " | ".join(str(line) for line in [*lines, f"{measured / planned:.2f}"]) + " |", flush=True)


def train(model: str, document: str) -> None:
    """Print GiB of the peak above what the loaded libraries take."""
    from ifrl_core.config import RewardModelConfig
    from ifrl_core.reward_model.train.fit import train_classifier
    from ifrl_core.reward_model.train.job import Job
    from ifrl_core.training.job import METRICS

    config = RewardModelConfig(**json.loads(document))
    with TemporaryDirectory() as folder:
        job = Job(model=Path(model), seed=0, folder=Path(folder), config=config)
        before = _resident()
        train_classifier(job, pairs(2 * config.batch_size))
        rows = [json.loads(line) for line in (job.folder / METRICS).read_text().splitlines()]
    print(max(row["memory/process_gib"] for row in rows) - before / _GIB)


def pairs(count: int) -> list[dict[str, Any]]:
    """Pairs whose responses fill any input."""
    return [
        {
            "label_id": str(index),
            "instruction": str(index),
            "response": f"{index} " + "word " * 4000,
            "constraint": "Be kind.",
            "label": index % 2,
            "split": "train",
            "hit": None,
        }
        for index in range(count)
    ]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    train(*sys.argv[1:]) if len(sys.argv) == 3 else main(sys.argv[1])
