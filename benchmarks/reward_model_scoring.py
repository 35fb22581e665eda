"""Pairs per second of reward scoring as GRPO asks for it: packed rows against padded pairs and against one call a pair.

    python benchmarks/reward_model_scoring.py REWARD_MODEL_FOLDER [--responses 32] [--constraints 2] [--tokens 64] [--json]

`bare forward` runs the backbone alone over the packed tokens in one rectangle without padding: the floor for any scorer of
this model on this machine.
"""

import argparse
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ifrl_core.models.dtype import device_here, usable_dtype
from ifrl_core.reward_model.model.packing import pack
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.model.template import encode, render

CONSTRAINTS = (
    "Write in a warm and friendly tone.",
    "Address the reader as a complete beginner.",
    "Use vivid sensory details in the description.",
    "Explain the reasons behind every recommendation you make.",
    "Write as if you were speaking to a room full of children.",
)
WORDS = ("the", "river", "runs", "past", "a", "small", "market", "where", "people", "trade", "bread", "music")


def main() -> None:
    arguments = parse()
    pairs = make_pairs(arguments.responses, arguments.constraints, arguments.tokens)
    ways = {
        "packed": packed(arguments.folder),
        "padded pairs": padded(arguments.folder),
        "one call a pair": one_by_one(arguments.folder),
        "bare forward": bare(arguments.folder, pairs),
    }
    where = "GPU" if device_here() == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{len(pairs)} pairs, {usable_dtype()}, {where}", file=sys.stderr)
    speeds = {}
    for name, way in ways.items():
        seconds = median_seconds(lambda way=way: way(pairs), arguments.repeats)
        speeds[name] = len(pairs) / seconds
        print(f"{name:>16}: {speeds[name]:7.1f} pairs/s   {seconds:6.2f} s", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({"pairs": len(pairs), "dtype": usable_dtype(), "ways": speeds}))


def make_pairs(responses: int, constraints: int, tokens: int) -> list[tuple[str, str]]:
    """Responses of about `tokens` tokens (here a word is about a token), shuffled as a trainer would hand them over."""
    source = random.Random(0)
    texts = [" ".join(source.choices(WORDS, k=source.randint(tokens * 3 // 4, tokens))) for _ in range(responses)]
    return list(itertools.product(texts, CONSTRAINTS[:constraints]))


def packed(folder: Path) -> Callable[[list[tuple[str, str]]], object]:
    return RewardModel(folder).probabilities


def one_by_one(folder: Path) -> Callable[[list[tuple[str, str]]], object]:
    scorer = RewardModel(folder)
    return lambda pairs: [scorer.probabilities([pair]) for pair in pairs]


def padded(folder: Path, batch_size: int = 32) -> Callable[[list[tuple[str, str]]], object]:
    """What a plain transformers script does: batches of whole pairs in the order given, padded to the longest."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = loaded(folder)

    @torch.inference_mode()
    def score(pairs: list[tuple[str, str]]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(pairs), batch_size):
            texts = [render(*pair) for pair in pairs[start : start + batch_size]]
            found += (
                model(**tokenizer(texts, return_tensors="pt", padding=True).to(device_here()))
                .logits.float()
                .sigmoid()
                .flatten()
                .tolist()
            )
        return found

    return score


def bare(folder: Path, pairs: list[tuple[str, str]]) -> Callable[[list[tuple[str, str]]], object]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = loaded(folder)
    rows = pack(encode(tokenizer, pairs, 2560))
    total = sum(row.length for row in rows)
    naive = sum(len(row.head) * len(row.tails) for row in rows) + sum(len(tail) for row in rows for tail in row.tails)
    print(f"{total:,} tokens packed, {naive:,} as pairs", file=sys.stderr)
    length = round(total / len(rows))
    ids = torch.randint(100, 10_000, (len(rows), length), device=device_here())
    return torch.inference_mode()(lambda pairs: model.base_model(ids, use_cache=False))


def loaded(folder: Path) -> torch.nn.Module:
    dtype = getattr(torch, usable_dtype())
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).to(device_here()).eval()


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats + 1):  # the first is for warming up
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--responses", type=int, default=32)
    parser.add_argument("--constraints", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="Pairs a second by way, for scripts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
