"""The embedded engine: a transformers model, decoded in a batch whose rows leave when their answers end.

Prompts go longest first, so that rows of a batch are of about one length and little of it is padding. A token is drawn by
inverse CDF at a uniform number of the request's own seed, so an answer does not depend on which other requests share its
batch beyond floating-point rounding. The same requests, batch size, dtype and torch build on the same processor type give the
same texts; across processor types rounding may differ and so may a sampled token.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from ifrl_core.errors import ModelError
from ifrl_core.inference.attention import GROUPED_DECODE
from ifrl_core.inference.batch import Batch
from ifrl_core.inference.draws import choose, uniforms
from ifrl_core.inference.engine import Completion, FinishReason, Request, Sampling
from ifrl_core.inference.speed import TokenCount
from ifrl_core.stages.progress import Progress, no_progress

disable_progress_bar()  # of loading weights: a second, and it would break the bar of the stage
logger = logging.getLogger(__name__)

_PREFILL_TOKENS = 4096  # at once: bounds the memory of activations, and the padding of a group
_CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16")


@dataclass
class _Row:
    """A request in flight: its place, its random numbers, and its answer so far."""

    index: int
    uniform: list[float]
    answer: list[int] = field(default_factory=list)

    def take(self, token: int, stops: set[int]) -> FinishReason | None:
        """Append the next token; what ended the answer, if that did."""
        if token in stops:
            return "stop"
        self.answer.append(token)
        return "length" if len(self.answer) == len(self.uniform) else None


class TransformersEngine:
    """A causal model in a local folder, on the GPU when there is one, else on the CPU.

    At most `batch_size` requests are in flight, fewer where their prompts and longest answers would together exceed
    `cache_tokens` (23 KB each for SmolLM2-135M in bf16, 160 KB for a 14B model).
    """

    def __init__(
        self, folder: Path, *, dtype: str = "bfloat16", batch_size: int = 64, cache_tokens: int = 65_536
    ) -> None:
        """Load the model; bfloat16 becomes float32 on a processor without it, which the log says.

        Raises:
            ModelError: when the model keeps a state other than keys and values (recurrent layers).
        """
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._dtype = usable_dtype(dtype, self._device)
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, self._dtype),
            attn_implementation=GROUPED_DECODE if self._device == "cpu" else "sdpa",
        )
        check_layers(model.config, folder)
        self.model = model.to(self._device).eval()
        self._stops = _stop_tokens(model)
        self._batch_size = batch_size
        self._cache_tokens = cache_tokens
        self.name = f"transformers {transformers.__version__}"

    def describe(self) -> dict[str, str]:
        """What the answers depend on besides model, sampling and seeds."""
        return {"engine": self.name, "torch": torch.__version__, "device": self._device, "dtype": self._dtype}

    @torch.inference_mode()
    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """One completion per request, in order; progress counts requests. `Sampling.json_schema` is passed over."""
        prompts = [self._prompt_ids(request) for request in requests]
        waiting = deque(sorted(range(len(prompts)), key=lambda index: len(prompts[index]), reverse=True))
        completions: dict[int, Completion] = {}
        made = TokenCount()
        batch, rows = Batch(self.model, self._device), list[_Row]()
        while waiting or rows:
            longest = max(len(prompts[index]) for index in [row.index for row in rows] or [waiting[0]])
            for group in _groups(waiting, prompts, self._places(longest + sampling.max_tokens) - len(rows)):
                batch.join([prompts[index] for index in group])
                rows += [_Row(index, uniforms(requests[index].seed, sampling.max_tokens)) for index in group]
            drawn = choose(batch.logits, [row.uniform[len(row.answer)] for row in rows], sampling)
            finishes = [row.take(token, self._stops) for row, token in zip(rows, drawn, strict=True)]
            alive = [place for place, finish in enumerate(finishes) if finish is None]
            for row, finish in zip(rows, finishes, strict=True):
                if finish:
                    completions[row.index] = self._completion(prompts[row.index], row.answer, finish)
                    made.add(len(row.answer))
            if len(alive) < len(rows):
                progress(len(completions), len(requests), str(made))
                batch.keep(alive)
                rows = [rows[place] for place in alive]
            if rows:
                batch.advance([row.answer[-1] for row in rows])
        return [completions[index] for index in range(len(requests))]

    def _places(self, width: int) -> int:
        """How many rows of `width` tokens may be in flight: one at least."""
        return min(self._batch_size, max(1, self._cache_tokens // width))

    def _prompt_ids(self, request: Request) -> list[int]:
        text = self._tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
        ids: list[int] = self._tokenizer(str(text), add_special_tokens=False)["input_ids"]
        return ids

    def _completion(self, prompt: list[int], answer: list[int], finish: FinishReason) -> Completion:
        text = str(self._tokenizer.decode(answer, skip_special_tokens=True))
        return Completion(text, finish, len(prompt), len(answer))


def _groups(waiting: deque[int], prompts: Sequence[Sequence[int]], places: int) -> Iterator[list[int]]:
    """Take up to `places` requests out of `waiting`, in groups to prefill together: longest first, so the first is widest."""
    while waiting and places > 0:
        size = min(places, max(1, _PREFILL_TOKENS // len(prompts[waiting[0]])))
        group = [waiting.popleft() for _ in range(min(size, len(waiting)))]
        places -= len(group)
        yield group


def _stop_tokens(model: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends} - {None}


def usable_dtype(dtype: str, device: str) -> str:
    """`dtype`, or float32 where that is bfloat16 and the CPU does not compute in it."""
    if dtype != "bfloat16" or device != "cpu":
        return dtype
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if any(capabilities.get(name) for name in _CPU_BFLOAT16):
        return dtype
    logger.info("this processor does not compute in bfloat16: generating in float32")
    return "float32"


def check_layers(config: Any, folder: Path) -> None:
    kinds = set(getattr(config, "layer_types", None) or ())
    if other := kinds - {"full_attention", "sliding_attention", "chunked_attention"}:
        raise ModelError(
            f"{folder}: layers of type {', '.join(sorted(other))} are not for the transformers engine, whose batches keep "
            "keys and values alone; use engine vllm or server"
        )
