"""Generation on the CPU: what each part of the decoder buys, in turns in one process.

    python benchmarks/decoding.py MODEL_FOLDER [--shape rollouts answers long] [--rounds 4] [--ways NAME ...]

`rollouts`: a small step, 4 prompts of 45 to 110 tokens x 8 answers of 48. `answers`: an evaluation, 96 prompts of 45
to 110 tokens, an answer of up to 64 tokens each, 64 in flight, of which a fifth end early. `long`: 4 prompts of 500 tokens
x 8 answers of 32. The first round warms up. CPU seconds are the process's, of the median round; the ratio
is the median of the rounds' ratios, since other work on the machine lengthens CPU seconds too, of what runs meanwhile.

`off` is what a way costs in log-probability: the mean of |log p - log p'| over the tokens of its own rollouts, p' of the
weights in float32. What bf16 costs is the line to hold others against.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import torch
from torch import Tensor, nn
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from ifrl_core.inference import decode as loop
from ifrl_core.inference.attention import GROUPED_DECODE
from ifrl_core.inference.decoder import Decoder
from ifrl_core.inference.engine import Sampling
from ifrl_core.models.load import load_causal_model

PROMPT_TOKENS, GENERATIONS = (45, 64, 88, 110), 8
Shape = tuple[list[list[int]], int, set[int]]  # prompts, longest answer, ends
Way = tuple[Decoder, Callable[[], Any]]  # what decodes, and what to enter meanwhile


def main() -> None:
    arguments = parse()
    ways: dict[str, Way] = {name: WAYS[name](arguments.model) for name in arguments.ways}
    exact = load(arguments.model, torch.float32)
    print("| shape | way | CPU s | ratio | off | equal answers |\n|---|---|---|---|---|---|")
    for name in arguments.shape:
        prompts, *_ = shape = SHAPES[name](exact.config.vocab_size)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        made: dict[str, dict[int, list[int]]] = {}
        for _ in range(arguments.rounds + 1):
            for way, (decoder, within) in ways.items():
                with within():
                    start = time.process_time()
                    made[way] = answers(decoder, shape)
                    seconds[way].append(time.process_time() - start)
                print(name, way, f"{seconds[way][-1]:.2f}", file=sys.stderr, flush=True)
        base = next(iter(ways))
        for way, (decoder, _) in ways.items():
            spent = seconds[way][1:]
            ratio = statistics.median(mine / other for mine, other in zip(spent, seconds[base][1:], strict=True))
            some = [(prompts[row], made[way][row]) for row in range(0, len(prompts), 4)]
            off = torch.cat([(log_probs(decoder.model, *one) - log_probs(exact, *one)).abs() for one in some]).mean()
            equal = sum(made[way][row] == made[base][row] for row in made[base])
            print(
                f"| {name} | {way} | {statistics.median(spent):.2f} | {ratio:.2f} | {off:.4f} | {equal} of {len(prompts)} |",
                flush=True,
            )


def answers(decoder: Decoder, shape: Shape) -> dict[int, list[int]]:
    prompts, longest, ends = shape
    return dict(decoder.completions(prompts, range(len(prompts)), Sampling(longest), ends))


@torch.inference_mode()
def log_probs(model: Any, prompt: list[int], answer: list[int]) -> Tensor:
    logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    return logits.float().log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0]


def a_step(vocabulary: int) -> Shape:
    draw = random.Random(0)
    prompts = [[draw.randrange(10, vocabulary) for _ in range(tokens)] for tokens in PROMPT_TOKENS]
    return [prompt for prompt in prompts for _ in range(GENERATIONS)], 48, set()


def an_evaluation(vocabulary: int) -> Shape:
    draw = random.Random(0)
    lengths = [draw.randrange(45, 111) for _ in range(96)]
    return (
        [[draw.randrange(10, vocabulary) for _ in range(tokens)] for tokens in lengths],
        64,
        set(range(0, vocabulary, 256)),
    )


def long_prompts(vocabulary: int) -> Shape:
    draw = random.Random(0)
    prompts = [[draw.randrange(10, vocabulary) for _ in range(500)] for _ in range(4)]
    return [prompt for prompt in prompts for _ in range(GENERATIONS)], 32, set()


SHAPES = {"rollouts": a_step, "answers": an_evaluation, "long": long_prompts}


def load(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Any:
    return load_causal_model(folder, dtype=dtype, attn_implementation=GROUPED_DECODE).eval()


class InPlace(DynamicLayer):
    """A layer of transformers' cache that writes a token into room it has, where that makes new tensors of all."""

    def __init__(self) -> None:
        super().__init__()
        self.room: dict[str, Tensor] = {}

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            return super().update(key_states, value_states)
        for name, new in (("keys", key_states), ("values", value_states)):
            held, room = getattr(self, name), self.room.get(name)
            length = held.shape[2]
            if room is None or held.data_ptr() != room.data_ptr() or length == room.shape[2]:
                room = self.room[name] = held.new_zeros(*held.shape[:2], length + 64, held.shape[3])
                room[:, :, :length] = held
            room[:, :, length : length + 1] = new
            setattr(self, name, room[: len(held), :, : length + 1])
        return self.keys, self.values


def in_place() -> Any:
    return Cache(layer_class_to_replicate=InPlace)


@contextmanager
def replaced(**names: Any) -> Iterator[None]:
    with patch.multiple(loop, **names):
        yield


def plain(folder: Path) -> Decoder:
    with patch("ifrl_core.inference.decoder.pack", return_value={}):
        return Decoder(load(folder))


def each_linear(folder: Path, make: Callable[[nn.Linear], nn.Module]) -> Decoder:
    decoder = plain(folder)
    for name, module in list(decoder.model.named_modules()):
        if type(module) is nn.Linear:
            decoder.model.set_submodule(name, make(module))
    return decoder


class Int8(nn.Module):
    """Weights in int8 by output, activations by tensor and call: torch's dynamic quantisation."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        linear = nn.Linear(plain.in_features, plain.out_features, bias=False)
        linear.weight.data = plain.weight.data.float()
        linear.qconfig = torch.ao.quantization.per_channel_dynamic_qconfig  # type: ignore[assignment]
        self.layer = torch.ao.nn.quantized.dynamic.Linear.from_float(linear)

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(values.float()).to(values.dtype)


class Int8Weights(nn.Module):
    """Weights alone in int8, by output."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.scale = (plain.weight.float().abs().amax(1) / 127).bfloat16()
        self.kept = (plain.weight.float() / self.scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)

    def forward(self, values: Tensor) -> Tensor:
        product = torch._weight_int8pack_mm(values.flatten(0, -2), self.kept, self.scale)
        return product.view(*values.shape[:-1], -1)


def compiled(folder: Path) -> Decoder:
    decoder = plain(folder)
    decoder.model.forward = torch.compile(decoder.model.forward, dynamic=True)
    return decoder


WAYS: dict[str, Callable[[Path], Way]] = {
    "plain weights": lambda folder: (plain(folder), nullcontext),
    "packed weights (the decoder)": lambda folder: (Decoder(load(folder)), nullcontext),
    "plain, cache written in place": lambda folder: (plain(folder), lambda: replaced(DynamicCache=in_place)),
    "int8 weights and activations": lambda folder: (each_linear(folder, Int8), nullcontext),
    "int8 weights": lambda folder: (each_linear(folder, Int8Weights), nullcontext),
    "torch.compile": lambda folder: (compiled(folder), nullcontext),
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--ways", nargs="+", choices=list(WAYS), default=[name for name in WAYS if "compile" not in name]
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
