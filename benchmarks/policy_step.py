"""Seconds and memory of a GRPO step on the CPU: trl as it comes, and what the policy stage adds, one at a time.

    python benchmarks/policy_step.py MODEL_FOLDER [--steps 2] [--prompts 4] [--generations 8] [--tokens 48]

Every variant runs trl's GRPOTrainer in a fresh process on the same prompts with a constant reward, so all that differs is
the way to generate, what is trained and how memory is kept. The first step (warm-up) is left out.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

VARIANTS = {
    "trl alone": {},
    "+ memory kept": {"keep_memory": True},
    "+ rollouts from a bf16 copy": {"keep_memory": True, "copy": True},
    "+ top 10 layers trained": {"keep_memory": True, "copy": True, "trained_layers": 10},
}
PROMPTS = (
    "Write a short note about the sea. Use no commas.",
    "Explain to a child how bread is baked. End with the words: That is all.",
    "Give a tip for sleeping well. Write at least 30 words and use the word night twice.",
    "Describe a bicycle. Put a title in double angular brackets, such as <<title>>, on top.",
)


def main() -> None:
    arguments = parse()
    if arguments.variant:
        print(json.dumps(measure(arguments, **json.loads(arguments.variant))))
        return
    print(f"{'':>28}  s/step  generate   train  peak MiB")
    for name, options in VARIANTS.items():
        row = in_own_process(options)
        columns = f"{row['step']:8.1f}{row['generate']:10.1f}{row['train']:8.1f}{row['peak_mb']:10.0f}"
        print(f"{name:>28}{columns}", flush=True)


def in_own_process(options: dict) -> dict:
    from ifrl_core.training.launch import KEEP_MEMORY

    env = {**os.environ, **(KEEP_MEMORY if options.get("keep_memory") else {}), "TRL_EXPERIMENTAL_SILENCE": "1"}
    command = [sys.executable, *sys.argv, "--variant", json.dumps(options)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace, *, keep_memory=False, copy=False, trained_layers=None) -> dict:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOTrainer

    from ifrl_core.config import PolicyConfig
    from ifrl_core.policy.generation import CopyRollouts
    from ifrl_core.policy.grpo_arguments import grpo_config
    from ifrl_core.policy.weights import freeze_below
    from ifrl_core.training.clock import StepClock

    class Timer(TrainerCallback):
        rows: list = []  # noqa: RUF012

        def on_step_begin(self, args, state, control, **_):
            clock.start()

        def on_step_end(self, args, state, control, **_):
            clock.stop()
            control.should_save = False
            self.rows.append(clock.split())

    class TimedTrainer(GRPOTrainer):
        def _generate(self, *args, **kwargs):
            with clock.of("generate"):
                return super()._generate(*args, **kwargs)

    clock, timer = StepClock(), Timer()
    config = PolicyConfig(
        max_steps=arguments.steps + 1,
        prompts_per_step=arguments.prompts,
        generations=arguments.generations,
        max_tokens=arguments.tokens,
        micro_batch=arguments.micro_batch,
        beta=0,
    )
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    if trained_layers:
        freeze_below(model, trained_layers, bf16=True)
    prompts = [PROMPTS[i % len(PROMPTS)] for i in range(config.max_steps * config.prompts_per_step)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = TimedTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [0.5] * len(completions),
            args=grpo_config(config, Path(folder), seed=0, on_cpu=True),
            train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": text}]} for text in prompts]),
            processing_class=AutoTokenizer.from_pretrained(arguments.model),
            callbacks=[timer],
            rollout_func=CopyRollouts(max_tokens=config.max_tokens, temperature=1.0, seed=0) if copy else None,
        )
        trainer.train()
    medians = {
        name: statistics.median(row[f"seconds/{name}"] for row in timer.rows[1:])
        for name in ("step", "generate", "train")
    }
    return {**medians, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--generations", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
