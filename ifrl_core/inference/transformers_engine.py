"""The embedded engine: transformers' generate in length-sorted batches, with one random stream per request.

Sampling is inverse-CDF on a uniform number drawn from the request's own seed, so an answer does not depend on which other
requests share its batch beyond floating-point rounding. The same requests, batch size, dtype and torch build on the same
processor type give the same texts; across processor types rounding may differ and so may a sampled token.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from ifrl_core.inference.engine import Completion, Request, Sampling
from ifrl_core.progress import Progress, no_progress

disable_progress_bar()  # of loading weights: a second, and it would break the bar of the stage


class TransformersEngine:
    """A causal model in a local folder, on the GPU when there is one, else on the CPU."""

    name = "transformers"

    def __init__(self, folder: Path, *, dtype: str = "bfloat16", batch_size: int = 64) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, padding_side="left")
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        self._model: Any = model.to(torch.device(self._device))  # type: ignore[arg-type]
        self._model.eval()
        self._batch_size = batch_size

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        prompts = [self._prompt_ids(request) for request in requests]
        completions: dict[int, Completion] = {}
        tokens = 0
        for batch in _length_sorted(prompts, self._batch_size):
            made = self._generate_batch([prompts[i] for i in batch], [requests[i].seed for i in batch], sampling)
            completions.update(zip(batch, made, strict=True))
            tokens += sum(completion.completion_tokens for completion in made)
            progress(len(completions), len(requests), f"{tokens:,} tokens")
        return [completions[index] for index in range(len(requests))]

    def _prompt_ids(self, request: Request) -> list[int]:
        text = self._tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
        ids: list[int] = self._tokenizer(str(text), add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def _generate_batch(self, prompts: list[list[int]], seeds: list[int], sampling: Sampling) -> list[Completion]:
        batch = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self._device)
        processors = LogitsProcessorList()
        if sampling.temperature > 0:
            processors.append(_SeededSampler(seeds, sampling, self._device))
        output = self._model.generate(
            **batch,
            max_new_tokens=sampling.max_tokens,
            do_sample=False,
            logits_processor=processors,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        answers = output[:, batch["input_ids"].shape[1] :].tolist()
        return [self._completion(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _completion(self, prompt: list[int], answer: list[int]) -> Completion:
        ends = self._model.generation_config.eos_token_id
        stops = set(ends) if isinstance(ends, list) else {ends}
        length = next((i for i, token in enumerate(answer) if token in stops), None)
        kept = answer if length is None else answer[:length]
        text = str(self._tokenizer.decode(kept, skip_special_tokens=True))
        return Completion(text, "length" if length is None else "stop", len(prompt), len(kept))


class _SeededSampler(LogitsProcessor):
    """Turns logits (B, V) into a one-hot choice per row, drawn with that row's own generator."""

    def __init__(self, seeds: list[int], sampling: Sampling, device: str) -> None:
        draws = [torch.rand(sampling.max_tokens, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._uniform = torch.stack(draws).to(device)  # (B, max_tokens)
        self._sampling = sampling
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        probabilities = torch.softmax(scores.float() / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1:
            probabilities = _nucleus(probabilities, self._sampling.top_p)
        cumulative = probabilities.cumsum(dim=-1)
        target = self._uniform[:, self._step, None] * cumulative[:, -1:]
        self._step += 1
        token = torch.searchsorted(cumulative, target, right=True).clamp_max(scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the smallest set of tokens whose mass reaches top_p (Holtzman et al., arXiv 1904.09751)."""
    ordered, order = probabilities.sort(dim=-1, descending=True)
    ordered[ordered.cumsum(dim=-1) - ordered >= top_p] = 0.0
    return torch.zeros_like(probabilities).scatter_(1, order, ordered)


def _length_sorted(prompts: list[list[int]], batch_size: int) -> Iterator[list[int]]:
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
