"""The embedded engine: a transformers model, decoded on the GPU when there is one, else on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from ifrl_core.config import Dtype
from ifrl_core.inference.attention import decoding_attention
from ifrl_core.inference.decoder import Decoder
from ifrl_core.inference.engine import Completion, Request, Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.inference.speed import TokenCount
from ifrl_core.inference.telling import Answered
from ifrl_core.models.dtype import device_here, usable_dtype
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.load import load_causal_model
from ifrl_core.models.looks.kind import read_config
from ifrl_core.stages.progress import Progress, no_progress

disable_progress_bar()  # of loading weights: a second, and it would break the bar of the stage


class TransformersEngine:
    """A causal model in a local folder.

    At most `batch_size` requests are in flight, and `cache_tokens` tokens (see `Decoder`). An equal call gives equal texts,
    as far as `decode` gives equal tokens. `dtype` is what it computes in.
    """

    def __init__(
        self, folder: Path, *, dtype: Dtype = "bfloat16", batch_size: int = 64, cache_tokens: int = 65_536
    ) -> None:
        """Load the model; bfloat16 becomes float32 on a processor without it, which the log says.

        Raises:
            ModelError: when the weights are not whole, or the model keeps a state other than keys and values (recurrent
                layers).
        """
        device = device_here()
        self.dtype = usable_dtype(dtype, device)
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        model: Any = load_causal_model(
            folder,
            dtype=getattr(torch, self.dtype),
            attn_implementation=decoding_attention(read_config(folder, str(folder))["model_type"], device),
        )
        self.decoder = Decoder(model.to(device), max_rows=batch_size, cache_tokens=cache_tokens)
        self._ends = set(end_tokens(folder, self._tokenizer))

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """One completion per request, in order; progress counts requests. `Sampling.json_schema` is passed over."""
        completions: dict[int, Completion] = {}
        self.generate_told(requests, sampling, completions.__setitem__, progress)
        return [completions[index] for index in range(len(requests))]

    def generate_told(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered, progress: Progress
    ) -> None:
        """The same, each completion told as soon as it ends."""
        prompts = [prompt_ids(self._tokenizer, request.messages) for request in requests]
        count = TokenCount()
        seeds = [request.seed for request in requests]
        decoded = self.decoder.completions(prompts, seeds, sampling, self._ends)
        for done, (index, tokens) in enumerate(decoded, start=1):
            completion = self._completion(prompts[index], tokens)
            answered(index, completion)
            count.add(completion.completion_tokens)
            progress(done, len(requests), str(count))

    def close(self) -> None:
        """Let go of the model, also where others still hold the engine."""
        del self.decoder

    def _completion(self, prompt: list[int], tokens: list[int]) -> Completion:
        stopped = tokens != [] and tokens[-1] in self._ends
        kept = tokens[:-1] if stopped else tokens
        text = str(self._tokenizer.decode(kept, skip_special_tokens=True))
        return Completion(text, "stop" if stopped else "length", len(prompt), len(kept))
