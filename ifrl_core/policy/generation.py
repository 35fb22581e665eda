"""Rollouts on the CPU from a bf16 copy of the policy: a supported way (trl's rollout_func) to a cheaper step.

trl's own path generates with the float32 weights under autocast, which casts every weight again for every token. The copy
is refreshed once a step, attends eagerly (for one query a row that is faster than the fused kernel on a CPU) and draws
from a random stream of (seed, step, process), so that a resumed run draws what an undisturbed one does.
Measured by benchmarks/policy_step.py.
"""

import copy
import time
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from ifrl_core.policy.clock import StepClock


class CopyRollouts:
    """trl's rollout_func. Answers are cut after the first end token, which stays, as in trl's own path."""

    def __init__(self, *, max_tokens: int, temperature: float, seed: int, clock: StepClock) -> None:
        self._max_tokens, self._temperature, self._seed, self._clock = max_tokens, temperature, seed, clock
        self._copy: PreTrainedModel | None = None

    @torch.no_grad()
    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """{"prompt_ids": [[int]], "completion_ids": [[int]], "logprobs": None} in the order of the prompts."""
        start = time.perf_counter()
        tokenizer = trainer.processing_class
        texts = [tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True) for p in prompts]
        prompt_ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        batch = tokenizer.pad({"input_ids": prompt_ids}, padding_side="left", return_tensors="pt")
        model = self._refreshed(trainer.accelerator.unwrap_model(trainer.model))
        stream = self._seed * 1_000_003 + trainer.state.global_step * 1_009 + trainer.accelerator.process_index
        sampler = _Sampler(torch.Generator().manual_seed(stream), self._temperature)
        generate: Any = model.generate
        output = generate(
            **batch,
            max_new_tokens=self._max_tokens,
            do_sample=False,
            use_cache=True,  # trl switches the cache off in the configuration of the policy
            logits_processor=LogitsProcessorList([sampler]),
            eos_token_id=trainer.eos_token_ids,
            pad_token_id=tokenizer.pad_token_id,
        )
        ends = set(trainer.eos_token_ids)
        completion_ids = [_cut(row, ends) for row in output[:, batch["input_ids"].shape[1] :].tolist()]
        self._clock.generate += time.perf_counter() - start
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}

    def _refreshed(self, policy: PreTrainedModel) -> PreTrainedModel:
        if self._copy is None:
            config = copy.deepcopy(policy.config)
            self._copy = type(policy)._from_config(config, dtype=torch.bfloat16, attn_implementation="eager").eval()
            self._copy.generation_config.temperature = self._copy.generation_config.top_p = None
        for mine, trained in zip(self._copy.parameters(), policy.parameters(), strict=True):
            mine.copy_(trained)
        return self._copy


class _Sampler(LogitsProcessor):
    """Turns logits (B, V) into a one-hot choice a row, by inverse CDF: one random number a row instead of V."""

    def __init__(self, stream: torch.Generator, temperature: float) -> None:
        self._stream, self._temperature = stream, temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        cumulative = torch.softmax(scores.float() / self._temperature, dim=-1).cumsum(dim=-1)
        target = torch.rand((len(scores), 1), generator=self._stream) * cumulative[:, -1:]
        token = torch.searchsorted(cumulative, target, right=True).clamp_max(scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)


def _cut(ids: list[int], ends: set[int]) -> list[int]:
    last = next((index for index, token in enumerate(ids) if token in ends), len(ids))
    return ids[: last + 1]
