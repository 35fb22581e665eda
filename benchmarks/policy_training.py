"""The training part of a GRPO step: a group in one row against trl's padded rows, in turns in one process.

    python benchmarks/policy_training.py MODEL_FOLDER [--rounds 3] [--answers 48] [--flat 0] [--json]

By default small shapes: 4 prompts of 45 to 110 tokens, 8 answers of 48 tokens each, bf16 autocast over float32 weights,
all of them trained.

Every way takes the same rollouts and advantages: forward and backward passes, then clipping and the optimizer
(whose learning rate is 0). On the CPU every round also generates such answers once (policy/generation.py), which makes it a
whole step but for the scoring. `--flat`: so many of the prompts have equal rewards, and so advantage 0. `--float32`: without
autocast. Ratios are of medians over rounds, of seconds and of the process's CPU seconds (which other work on the machine does
not lengthen); the last column is the difference of the gradients relative to trl's.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

from ifrl_core.config import PolicyConfig
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.grpo_arguments import grpo_config
from ifrl_core.policy.trainer import GroupTrainer
from ifrl_core.training.memory import peak_memory_gib


class Way(NamedTuple):
    name: str
    micro_batch: int
    shared: bool


class Passes(NamedTuple):
    """Seconds of the forward passes, the backward passes, the optimizer, and all of it; CPU seconds of all of it; the most
    memory of a GPU meanwhile, 0 on the CPU."""

    forward: float
    backward: float
    optimizer: float
    seconds: float
    cpu_seconds: float
    gpu_gib: float


def main() -> None:
    arguments = parse()
    ways = (
        Way("trl", arguments.trl_micro_batch or arguments.micro_batch, False),
        Way("a group in one row", arguments.micro_batch, True),
    )
    trainer = trainer_of(arguments)
    sharing, passes = trainer.sharing, {way: [] for way in ways}
    gradients: dict[Way, torch.Tensor] = {}
    rollouts = rollouts_of(arguments, trainer.model.config.vocab_size)
    copied, generation = CopyRollouts(max_tokens=arguments.answers, temperature=1.0, seed=0), []
    for _ in range(arguments.rounds + 1):  # the first is for warming up
        if trainer.accelerator.device.type == "cpu":
            generation.append(generated(copied, trainer, rollouts))
        for way in ways:
            trainer.sharing = sharing if way.shared else None
            passes[way].append(timed(trainer, way, rollouts, gradients))
            print(way.name, *(f"{value:.2f}" for value in passes[way][-1]), file=sys.stderr, flush=True)
    report(arguments, passes, gradients, generation, shared=sharing is not None)


def report(arguments: argparse.Namespace, passes: dict, gradients: dict, generation: list, *, shared: bool) -> None:
    medians = {way: Passes(*map(statistics.median, zip(*rows[1:], strict=True))) for way, rows in passes.items()}
    (trl, base), (_, own) = medians.items()
    found = []
    for way, of in medians.items():
        off = float((gradients[way] - gradients[trl]).norm() / gradients[trl].norm())
        ratios = {"ratio": of.seconds / base.seconds, "cpu_ratio": of.cpu_seconds / base.cpu_seconds}
        found.append({"way": f"{way.name}, micro-batch {way.micro_batch}", **of._asdict(), **ratios, "gradient": off})
    making = [statistics.median(column) for column in zip(*generation[1:], strict=True)]
    if arguments.json:
        print(json.dumps({"ways": found, "shared": shared, "generation": making, "peak_gib": peak_memory_gib()}))
        return
    print("| way | forward s | backward s | optimizer s | training part s | CPU s | ratio | CPU ratio | gradient |")
    print("|---|---|---|---|---|---|---|---|---|")
    shown = ("forward", "backward", "optimizer", "seconds", "cpu_seconds", "ratio", "cpu_ratio")
    for row in found:
        print(f"| {row['way']} |", *(f"{row[name]:.2f} |" for name in shown), f"{row['gradient']:.1e} |")
    if making:
        wall, cpu = (
            (made + mine) / (made + other)
            for made, mine, other in zip(
                making, (own.seconds, own.cpu_seconds), (base.seconds, base.cpu_seconds), strict=True
            )
        )
        print(f"generation {making[0]:.2f} s, {making[1]:.2f} CPU s; with it {wall:.2f}, of CPU seconds {cpu:.2f}")
    print("peak", *(f"{name} {gib:.2f} GiB" for name, gib in peak_memory_gib().items()))


def trainer_of(arguments: argparse.Namespace) -> GroupTrainer:
    folder, bf16, prompts = arguments.model, not arguments.float32, len(arguments.prompts)
    shape = {"prompts_per_step": prompts, "generations": arguments.generations, "micro_batch": arguments.micro_batch}
    config = PolicyConfig(max_steps=1, beta=0, bf16=bf16, max_tokens=arguments.answers, **shape)
    args = grpo_config(config, Path(tempfile.mkdtemp()), seed=0, on_cpu=not torch.cuda.is_available())
    trainer = GroupTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * prompts),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.model.train()
    trainer.create_optimizer()
    return trainer


def rollouts_of(arguments: argparse.Namespace, vocabulary: int) -> dict[str, torch.Tensor]:
    """What trl makes of a step's rollouts: 1 in 20 answers ends early."""
    draw, answer_tokens, generations = random.Random(0), arguments.answers, arguments.generations
    longest, rows = max(arguments.prompts), len(arguments.prompts) * generations
    shape = {name: (rows, size) for name, size in (("prompt", longest), ("completion", answer_tokens))}
    made = {f"{name}_ids": torch.zeros(size, dtype=torch.long) for name, size in shape.items()}
    made |= {f"{name}_mask": torch.zeros(size, dtype=torch.long) for name, size in shape.items()}
    advantages = []
    for number, tokens in enumerate(arguments.prompts):
        prompt = torch.tensor([draw.randrange(10, vocabulary) for _ in range(tokens)])
        for index in range(generations):
            row, length = number * generations + index, answer_tokens // 2 if draw.random() < 0.05 else answer_tokens
            made["prompt_ids"][row, -tokens:], made["prompt_mask"][row, -tokens:] = prompt, 1
            made["completion_ids"][row, :length] = torch.tensor([draw.randrange(10, vocabulary) for _ in range(length)])
            made["completion_mask"][row, :length] = 1
            advantages.append(0.0 if number < arguments.flat else draw.gauss(0, 1))
    items = made["completion_mask"].sum()
    return {**made, "advantages": torch.tensor(advantages), "num_items_in_batch": items}


def generated(copied: CopyRollouts, trainer: Any, rollouts: dict) -> tuple[float, float]:
    """Seconds and CPU seconds of as many answers, none of which ends early."""
    prompts = [
        [id for id, kept in zip(*row, strict=True) if kept]
        for row in zip(rollouts["prompt_ids"].tolist(), rollouts["prompt_mask"].tolist(), strict=True)
    ]
    begin, cpu = time.perf_counter(), time.process_time()
    made = copied.decoder(trainer.model).completions(prompts, range(len(prompts)), copied._sampling, ())
    assert len(dict(made)) == len(prompts)
    return time.perf_counter() - begin, time.process_time() - cpu


def timed(trainer: Any, way: Way, rollouts: dict, gradients: dict) -> Passes:
    rollouts = {name: value.to(trainer.accelerator.device) for name, value in rollouts.items()}
    count = len(rollouts["advantages"]) // way.micro_batch
    trainer.args.per_device_train_batch_size, trainer.args.steps_per_generation = way.micro_batch, count
    trainer.current_gradient_accumulation_steps = count
    torch.manual_seed(0)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    begin, cpu = time.perf_counter(), time.process_time()
    made = trainer._passes(rollouts) if way.shared else split_tensor_dict(shuffle_sequence_dict(rollouts), count)
    forward = backward = 0.0
    for inputs in made:
        start = time.perf_counter()
        loss = trainer.compute_loss(trainer.model, inputs)
        forward += synchronized() - start
        start = time.perf_counter()
        loss.backward()
        backward += synchronized() - start
    start = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.optimizer.step()
    optimizer, whole, spent = synchronized() - start, synchronized() - begin, time.process_time() - cpu
    gpu_gib = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    gradients[way] = torch.cat([weight.grad.flatten().cpu() for weight in trainer.model.parameters()])
    trainer.model.zero_grad()
    return Passes(forward, backward, optimizer, whole, spent, gpu_gib)


def synchronized() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, nargs="+", default=[45, 64, 88, 110], help="Tokens of each prompt")
    parser.add_argument("--generations", type=int, default=8, help="Answers a prompt")
    parser.add_argument("--answers", type=int, default=48, help="Tokens of an answer")
    parser.add_argument("--micro-batch", type=int, default=8, help="Rollouts of a pass")
    parser.add_argument("--trl-micro-batch", type=int, help="Of trl's way, where it is another")
    parser.add_argument("--flat", type=int, default=0, help="Prompts without a spread of rewards")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--json", action="store_true", help="Figures for scripts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
