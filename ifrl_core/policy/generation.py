"""Rollouts on the CPU from a copy of the policy: a supported way (trl's rollout_func) to a cheaper step.

trl's own path generates with the float32 weights under autocast, which casts every weight again for every token. Here a
copy in bf16 (where training is), refreshed once a step, generates with the engine's decoder.

trl takes the log-probabilities that it trains on for those that the rollouts were drawn by. They differ by bf16's rounding,
in float32 by nothing (tests/core/policy/test_generation.py): coarser weights would need an importance ratio.

Each rollout's random numbers come from (seed, step, prompt, index in its group), whichever process makes it: a resumed run
draws what an undisturbed one does, and two processes what one does.
Measured by benchmarks/policy_step.py.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import PreTrainedModel

from ifrl_core.inference.attention import decoding_attention
from ifrl_core.inference.decoder import Decoder
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.policy.adapter import plain_model, plain_weights
from ifrl_core.statistics.by_hash import seed_by_hash


class CopyRollouts:
    """trl's rollout_func. A completion keeps its end token, as in trl's own path."""

    def __init__(self, *, max_tokens: int, temperature: float, seed: int, dtype: torch.dtype = torch.bfloat16) -> None:
        self._sampling, self._seed, self._dtype = Sampling(max_tokens, temperature), seed, dtype
        self._decoder: Decoder | None = None

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """{"prompt_ids": [[int]], "completion_ids": [[int]], "logprobs": None} in the order of the prompts."""
        ids = [prompt_ids(trainer.processing_class, messages) for messages in prompts]
        # trl gives process p the p-th part of the step's rollouts, which lie group after group.
        first = trainer.accelerator.process_index * len(prompts)
        seeds = [row_seed(self._seed, trainer.state.global_step, first + row) for row in range(len(prompts))]
        return {"prompt_ids": ids, "completion_ids": self._made(ids, seeds, self._sampling, trainer), "logprobs": None}

    def greedy(self, ids: Sequence[list[int]], trainer: Any) -> list[list[int]]:
        """The likeliest completion of each prompt (token ids), in order; nothing is drawn."""
        return self._made(ids, [0] * len(ids), replace(self._sampling, temperature=0.0), trainer)

    @property
    def dtype(self) -> str:
        """What the copy computes in."""
        return str(self._dtype).removeprefix("torch.")

    def decoder(self, policy: PreTrainedModel) -> Decoder:
        """That of the copy, refreshed."""
        if self._decoder is None:
            self._decoder = Decoder(self._copy_of(plain_model(policy)))
        self._decoder.take(plain_weights(policy))
        return self._decoder

    def _made(
        self, ids: Sequence[list[int]], seeds: Sequence[int], sampling: Sampling, trainer: Any
    ) -> list[list[int]]:
        decoder = self.decoder(trainer.accelerator.unwrap_model(trainer.model))
        made = dict(decoder.completions(ids, seeds, sampling, set(trainer.eos_token_ids)))
        return [made[row] for row in range(len(ids))]

    def _copy_of(self, model: PreTrainedModel) -> PreTrainedModel:
        """Such a model with other weights."""
        config = copy.deepcopy(model.config)
        attention = decoding_attention(config.model_type, "cpu")
        # Drawing weights that are overwritten at once must not move the random numbers that the trainer draws from: a resumed
        # process makes its copy at another step.
        with torch.random.fork_rng(devices=[]):
            made: PreTrainedModel = type(model)._from_config(config, dtype=self._dtype, attn_implementation=attention)
            return made


def row_seed(seed: int, step: int, row: int) -> int:
    """The seed of a rollout; `row` is its place among those of the step: prompt x generations + index in its group."""
    return seed_by_hash("rollout", seed, step, row)
