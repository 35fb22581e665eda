"""Generation on the CPU: what each part of the decoder buys, in turns in one process.

    python benchmarks/decoding.py MODEL_FOLDER [--shape rollouts answers] [--rounds 4] [--ways NAME ...]

`rollouts`: a step of the demo, 4 prompts of 45 to 110 tokens x 8 answers of 48. `answers`: an evaluation, 96 prompts of 45
to 110 tokens, an answer of up to 64 tokens each, 64 in flight, of which a fifth end early. The first round warms up.
CPU seconds are the process's, of the fastest round: other work on the machine lengthens them least there.

`off` is what a way costs in log-probability: the mean of |log p - log p'| over the tokens of its own rollouts, p' of the
weights in float32. What bf16 costs is the line to hold others against.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import torch
from torch import Tensor, nn
from transformers import DynamicCache

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
        base = next(iter(ways))
        for way, (decoder, _) in ways.items():
            spent = [min(seconds[one][1:]) for one in (way, base)]
            some = [(prompts[row], made[way][row]) for row in range(0, len(prompts), 4)]
            off = torch.cat([(log_probs(decoder.model, *one) - log_probs(exact, *one)).abs() for one in some]).mean()
            equal = sum(made[way][row] == made[base][row] for row in made[base])
            print(
                f"| {name} | {way} | {spent[0]:.2f} | {spent[0] / spent[1]:.2f} | {off:.4f} | {equal} of {len(prompts)} |",
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


SHAPES = {"rollouts": a_step, "answers": an_evaluation}


def load(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Any:
    return load_causal_model(folder, dtype=dtype, attn_implementation=GROUPED_DECODE).eval()


class GrownByCopies(DynamicCache):
    """transformers' cache, in the place of RowsCache: every token makes new tensors of all keys and values."""

    def join(self, prefilled: Any, rows: Tensor) -> None:
        prefilled.batch_select_indices(rows)
        if not self.layers:
            self.layers = prefilled.layers
        for mine, other in zip(self.layers, prefilled.layers, strict=True):
            if mine is not other:
                width = max(mine.keys.shape[2], other.keys.shape[2])
                mine.keys = torch.cat([widened(mine.keys, width), widened(other.keys, width)])
                mine.values = torch.cat([widened(mine.values, width), widened(other.values, width)])

    def keep(self, order: list[int], columns: int) -> None:
        for layer in self.layers:
            first = layer.keys.shape[2] - columns
            layer.keys, layer.values = layer.keys[order, :, first:], layer.values[order, :, first:]


def widened(states: Tensor, width: int) -> Tensor:
    return nn.functional.pad(states, (0, 0, width - states.shape[2], 0))


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


def whole() -> Any:
    return replaced()


WAYS: dict[str, Callable[[Path], Way]] = {
    "cache grown by copies": lambda folder: (plain(folder), lambda: replaced(RowsCache=GrownByCopies)),
    "cache written in place": lambda folder: (plain(folder), whole),
    "and packed weights": lambda folder: (Decoder(load(folder)), whole),
    "in place, int8": lambda folder: (each_linear(folder, Int8), whole),
    "in place, int8 weights": lambda folder: (each_linear(folder, Int8Weights), whole),
    "in place, torch.compile": lambda folder: (compiled(folder), whole),
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
