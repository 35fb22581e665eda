"""The training part of a GRPO step: a group in one row against trl's padded rows, in turns in one process.

    python benchmarks/policy_training.py MODEL_FOLDER [--rounds 3] [--answers 48] [--flat 0]

The demo's shapes: 4 prompts of 45 to 110 tokens, 8 answers of 48 tokens each, bf16 autocast over float32 weights, all of
them trained.

Every way takes the same rollouts and advantages: forward and backward passes, then clipping and the optimizer
(whose learning rate is 0). Every round also generates such answers once (policy/generation.py), which makes it a whole step
but for the scoring. `--flat`: so many of the four prompts have eight equal rewards, and so advantage 0. `--float32`: without
autocast. Ratios are of medians over rounds, of seconds and of the process's CPU seconds (which other work on the machine does
not lengthen); the last column is the difference of the gradients relative to trl's.
"""

import argparse
import os
import random
import statistics
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
from ifrl_core.inference.decode import decode
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.grpo_arguments import grpo_config
from ifrl_core.policy.trainer import GroupTrainer

PROMPT_TOKENS, GENERATIONS = (45, 64, 88, 110), 8


class Way(NamedTuple):
    name: str
    micro_batch: int
    shared: bool


WAYS = (
    Way("trl, micro-batch 4", 4, False),
    Way("a group in one row, micro-batch 8", 8, True),
)


def main() -> None:
    arguments = parse()
    trainer = trainer_of(arguments.model, arguments.answers, bf16=not arguments.float32)
    sharing, seconds = trainer.sharing, {way: [] for way in WAYS}
    gradients: dict[Way, torch.Tensor] = {}
    rollouts = rollouts_of(arguments.answers, arguments.flat, trainer.model.config.vocab_size)
    copied, generation = CopyRollouts(max_tokens=arguments.answers, temperature=1.0, seed=0), []
    for _ in range(arguments.rounds + 1):  # the first is for warming up
        generation.append(generated(copied, trainer, rollouts))
        for way in WAYS:
            trainer.sharing = sharing if way.shared else None
            seconds[way].append(timed(trainer, way, rollouts, gradients))
            print(way.name, *(f"{value:.2f}" for value in seconds[way][-1]), flush=True)
    print("| way | forward s | backward s | optimizer s | training part s | CPU s | ratio | CPU ratio | gradient |")
    print("|---|---|---|---|---|---|---|---|---|")
    base = [statistics.median(column) for column in zip(*seconds[WAYS[0]][1:], strict=True)]
    making, wholes = [statistics.median(column) for column in zip(*generation[1:], strict=True)], []
    for way, rows in seconds.items():
        medians = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
        ratios = [mine / other for mine, other in zip(medians[3:], base[3:], strict=True)]
        off = float((gradients[way] - gradients[WAYS[0]]).norm() / gradients[WAYS[0]].norm())
        print(f"| {way.name} |", *(f"{value:.2f} |" for value in [*medians, *ratios]), f"{off:.1e} |")
        wholes.append([made + trained for made, trained in zip(making, medians[3:], strict=True)])
    steps = [mine / other for mine, other in zip(wholes[1], wholes[0], strict=True)]
    print(f"generation {making[0]:.2f} s, {making[1]:.2f} CPU s; with it {steps[0]:.2f}, of CPU seconds {steps[1]:.2f}")


def trainer_of(folder: Path, answer_tokens: int, *, bf16: bool) -> GroupTrainer:
    shape = {"prompts_per_step": 4, "generations": GENERATIONS, "micro_batch": 8, "max_tokens": answer_tokens}
    config = PolicyConfig(max_steps=1, beta=0, bf16=bf16, **shape)
    args = grpo_config(config, Path(tempfile.mkdtemp()), seed=0, on_cpu=not torch.cuda.is_available())
    trainer = GroupTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * 4),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.model.train()
    trainer.create_optimizer()
    return trainer


def rollouts_of(answer_tokens: int, flat: int, vocabulary: int) -> dict[str, torch.Tensor]:
    """What trl makes of a step's rollouts: 1 in 20 answers ends early."""
    draw = random.Random(0)
    longest, rows = max(PROMPT_TOKENS), len(PROMPT_TOKENS) * GENERATIONS
    shape = {name: (rows, size) for name, size in (("prompt", longest), ("completion", answer_tokens))}
    made = {f"{name}_ids": torch.zeros(size, dtype=torch.long) for name, size in shape.items()}
    made |= {f"{name}_mask": torch.zeros(size, dtype=torch.long) for name, size in shape.items()}
    advantages = []
    for number, tokens in enumerate(PROMPT_TOKENS):
        prompt = torch.tensor([draw.randrange(10, vocabulary) for _ in range(tokens)])
        for index in range(GENERATIONS):
            row, length = number * GENERATIONS + index, answer_tokens // 2 if draw.random() < 0.05 else answer_tokens
            made["prompt_ids"][row, -tokens:], made["prompt_mask"][row, -tokens:] = prompt, 1
            made["completion_ids"][row, :length] = torch.tensor([draw.randrange(10, vocabulary) for _ in range(length)])
            made["completion_mask"][row, :length] = 1
            advantages.append(0.0 if number < flat else draw.gauss(0, 1))
    items = made["completion_mask"].sum()
    return {**made, "advantages": torch.tensor(advantages), "num_items_in_batch": items}


def generated(copied: CopyRollouts, trainer: Any, rollouts: dict) -> tuple[float, float]:
    """Seconds and CPU seconds of as many answers, none of which ends early."""
    prompts = [
        [id for id, kept in zip(*row, strict=True) if kept]
        for row in zip(rollouts["prompt_ids"].tolist(), rollouts["prompt_mask"].tolist(), strict=True)
    ]
    begin, cpu = time.perf_counter(), time.process_time()
    made = decode(copied._refreshed(trainer.model), prompts, list(range(len(prompts))), copied._sampling, set())
    assert len(dict(made)) == len(prompts)
    return time.perf_counter() - begin, time.process_time() - cpu


def timed(trainer: Any, way: Way, rollouts: dict, gradients: dict) -> tuple[float, ...]:
    """Seconds of the forward passes, the backward passes, the optimizer, and all of it; CPU seconds of all of it."""
    rollouts = {name: value.to(trainer.accelerator.device) for name, value in rollouts.items()}
    count = len(rollouts["advantages"]) // way.micro_batch
    trainer.args.per_device_train_batch_size, trainer.args.steps_per_generation = way.micro_batch, count
    trainer.current_gradient_accumulation_steps = count
    torch.manual_seed(0)
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
    gradients[way] = torch.cat([weight.grad.flatten() for weight in trainer.model.parameters()])
    trainer.model.zero_grad()
    return forward, backward, optimizer, whole, spent


def synchronized() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answers", type=int, default=48, help="Tokens of an answer")
    parser.add_argument("--flat", type=int, default=0, help="Prompts without a spread of rewards")
    parser.add_argument("--float32", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
