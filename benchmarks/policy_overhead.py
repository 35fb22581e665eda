"""What the policy stage adds to a step of GRPO: the training process against a bare script around trl's trainer.

    python benchmarks/policy_overhead.py demo-cpu [--steps 6] [--rounds 2]       (store: IFRL_ROOT)

Three ways take turns, each in a fresh process on the same prompts in the same order:

- trl alone: GRPOTrainer with a constant reward, its own generation, the allocator as it comes;
- the bare script: the same, with the rollouts and the allocator's settings of this project;
- the stage: the training process as the pipeline starts it, with rules, reward model, curriculum, trip-wires, metrics.

The learning rate is next to nothing, so that the bare script and the stage train on the very same rollouts in every step.
Seconds are those between the logs of two steps: saving, logging and the curriculum's own work are within. CPU seconds are
those of the training process alone, which other work on the machine does not lengthen. The stage makes no pass for rollouts
of advantage 0; the bare script, whose rewards are all the same, makes all: the share that is trained on is printed.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from reward_model_ablation import make_dataset, make_reward_model

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.job import POOL, PROMPTS, Job
from ifrl_core.policy.launch import policy_launch
from ifrl_core.policy.stage import training_prompts
from ifrl_core.settings import PROCESSOR, store_root
from ifrl_core.training.launch import KEEP_MEMORY, run_training

TRL, BARE, STAGE = "trl alone, constant reward", "bare script, constant reward", "the stage"


def main() -> None:
    arguments = parse()
    if arguments.bare:
        train_bare(Job.read(arguments.bare), own_rollouts=arguments.own_rollouts)
        return
    taken: dict[str, list[tuple[float, float]]] = {TRL: [], BARE: [], STAGE: []}
    for _ in range(arguments.rounds):
        for way in taken:
            with tempfile.TemporaryDirectory() as folder:
                taken[way] += steps(way, make_job(arguments, Path(folder)))
            print(way, *(f"{wall:.1f}/{cpu:.1f}" for wall, cpu in taken[way]), file=sys.stderr, flush=True)
    print(
        "| step of | steps | median s | mean s | mean CPU s | to the bare script | of CPU s |\n|---|---|---|---|---|---|---|"
    )
    bare = [statistics.fmean(column) for column in zip(*taken[BARE], strict=True)]
    for way, found in taken.items():
        means = [statistics.fmean(column) for column in zip(*found, strict=True)]
        median = statistics.median(wall for wall, _ in found)
        ratios = [mine / other for mine, other in zip(means, bare, strict=True)]
        cells = f"{median:.2f} | {means[0]:.2f} | {means[1]:.2f} | {ratios[0]:.3f} | {ratios[1]:.3f}"
        print(f"| {way} | {len(found)} | {cells} |")


def make_job(arguments: argparse.Namespace, folder: Path) -> Job:
    """The policy stage's own job on a recipe's prompts; what comes before it is made once."""
    config, store = load_recipe(arguments.recipe), ArtifactStore(store_root())
    made = make_dataset(config, store)
    reward_model = make_reward_model(config, made, store)
    policy = config.policy.model_copy(update={"max_steps": arguments.steps, "learning_rate": 1e-12})
    job = Job(
        config=policy,
        model=model_folder(made["model"], store).resolve(),
        reward_model=model_folder(reward_model, store).resolve(),
        seed=config.seed,
        folder=folder,
    )
    pq.write_table(pa.Table.from_pylist(training_prompts(made["prompts"], store), schema=POOL), folder / PROMPTS)
    job.write()
    return job


def steps(way: str, job: Job) -> list[tuple[float, float]]:
    """Seconds and CPU seconds of each step but the first, between the logs of two."""
    logged: list[tuple[float, float]] = []
    if way == STAGE:
        # Metrics are read a moment after they are written; over several steps that moment does not add up.
        shares: list[float] = []

        def on_row(row: dict) -> None:
            logged.append(now_of_training())
            shares.append(row["trained_share"])

        run_training(job.folder, policy_launch(job.config), on_row=on_row)
        print("share of the rollouts that had something to learn from, by step:", *shares, file=sys.stderr)
    else:
        own = way == BARE
        command = [sys.executable, __file__, "-", "--bare", str(job.folder / "job.json"), *(["--own-rollouts"] * own)]
        alike = {"OMP_WAIT_POLICY": PROCESSOR["OMP_WAIT_POLICY"], "TRL_EXPERIMENTAL_SILENCE": "1"}
        env = {**os.environ, **alike, **({**KEEP_MEMORY, **PROCESSOR} if own else {})}
        done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
        logged = [tuple(pair) for pair in json.loads(done.stdout.splitlines()[-1])]
    return [(later[0] - earlier[0], later[1] - earlier[1]) for earlier, later in itertools.pairwise(logged)]


def now_of_training() -> tuple[float, float]:
    """The time, and the CPU seconds that the training process has taken."""
    cpu = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            cpu += sum(child.cpu_times()[:2])
    return time.time(), cpu


def train_bare(job: Job, *, own_rollouts: bool) -> None:
    """trl's trainer as its examples use it; prints the times of the steps' logs."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOTrainer

    from ifrl_core.policy.adapter import peft_config
    from ifrl_core.policy.generation import CopyRollouts
    from ifrl_core.policy.grpo_arguments import grpo_config
    from ifrl_core.policy.live import open_schedule

    class Times(TrainerCallback):
        logged: list = []  # noqa: RUF012

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                self.logged.append((time.time(), time.process_time()))

    config, schedule, prompts = job.config, open_schedule(job, None), []
    for _ in range(config.max_steps):
        prompts += [{"prompt": row["prompt"]} for row in schedule.prompts]
        schedule.observe([])
    rollouts = CopyRollouts(max_tokens=config.max_tokens, temperature=config.temperature, seed=job.seed)
    times = Times()
    GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(job.model, dtype="float32"),
        reward_funcs=lambda completions, **_: [0.5] * len(completions),
        args=grpo_config(config, job.folder / "checkpoints", seed=job.seed, on_cpu=True),
        train_dataset=Dataset.from_list(prompts),
        processing_class=AutoTokenizer.from_pretrained(job.model),
        callbacks=[times],
        rollout_func=rollouts if own_rollouts else None,
        peft_config=peft_config(config.lora) if config.lora else None,
    ).train()
    print(json.dumps(times.logged))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--own-rollouts", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
