"""Rollouts on the CPU from a copy of the policy: a supported way (trl's rollout_func) to a cheaper step.

trl's own path generates with the float32 weights under autocast, which casts every weight again for every token. Here a
copy in bf16 (where training is), refreshed once a step, generates with the engine's decoder.

trl takes the log-probabilities that it trains on for those that the rollouts were drawn by. They differ by bf16's rounding,
in float32 by nothing (tests/core/policy/test_generation.py): coarser weights would need an importance ratio.

An answer's random numbers come from (seed, step, prompt, index in its group, turn), whichever process makes it: a resumed
run draws what an undisturbed one does, and two processes what one does.

With `turns` all a rollout is a dialog (dialogs.py): its first answers are drawn together, then the second ones, and so on.
Measured by benchmarks/policy_step.py.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from ifrl_core.inference.attention import decoding_attention
from ifrl_core.inference.decoder import Decoder
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.policy.adapter import plain_model, plain_weights
from ifrl_core.policy.dialogs import Dialog, completed, parts_of
from ifrl_core.statistics.by_hash import seed_by_hash


class CopyRollouts:
    """trl's rollout_func. A completion keeps its end token, as in trl's own path."""

    def __init__(
        self,
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        dtype: torch.dtype = torch.bfloat16,
        turns: Literal["last", "all"] = "last",
    ) -> None:
        self._sampling, self._seed, self._dtype = Sampling(max_tokens, temperature), seed, dtype
        self._turns = turns
        self._decoder: Decoder | None = None

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """{"prompt_ids": [[int]], "completion_ids": [[int]], "logprobs": None} in the order of the prompts; of dialogs also
        `env_mask`, the `dialog` as messages, and `cut_before`: whether the token budget ended an answer before the last."""
        tokenizer, ends = trainer.processing_class, set(trainer.eos_token_ids)
        if self._turns == "last":
            dialogs = [Dialog([prompt_ids(tokenizer, messages)]) for messages in prompts]
        else:
            dialogs = [Dialog(parts_of(tokenizer, messages)) for messages in prompts]
        # trl gives process p the p-th part of the step's rollouts, which lie group after group.
        first = trainer.accelerator.process_index * len(prompts)
        decoder = self.decoder(trainer.accelerator.unwrap_model(trainer.model))
        turn = 0
        while rows := [row for row, dialog in enumerate(dialogs) if not dialog.is_whole]:
            seeds = [row_seed(self._seed, trainer.state.global_step, first + row, turn) for row in rows]
            asked = [dialogs[row].asked(ends) for row in rows]
            for row, answer in zip(rows, _made(decoder, asked, seeds, self._sampling, ends), strict=True):
                dialogs[row].answers.append(answer)
            turn += 1
        completions, own = zip(*(dialog.completion(ends) for dialog in dialogs), strict=True)
        made = {
            "prompt_ids": [dialog.parts[0] for dialog in dialogs],
            "completion_ids": list(completions),
            "logprobs": None,
        }
        if self._turns == "last":
            return made
        said = [tokenizer.batch_decode(dialog.answers, skip_special_tokens=True) for dialog in dialogs]
        return {
            **made,
            "env_mask": list(own),
            "dialog": [completed(messages, texts) for messages, texts in zip(prompts, said, strict=True)],
            "cut_before": [any(answer[-1] not in ends for answer in dialog.answers[:-1]) for dialog in dialogs],
        }

    def greedy(self, ids: Sequence[list[int]], trainer: Any) -> list[list[int]]:
        """The likeliest completion of each prompt (token ids), in order; nothing is drawn."""
        decoder = self.decoder(trainer.accelerator.unwrap_model(trainer.model))
        return _made(decoder, ids, [0] * len(ids), replace(self._sampling, temperature=0.0), set(trainer.eos_token_ids))

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

    def _copy_of(self, model: PreTrainedModel) -> PreTrainedModel:
        """Such a model with other weights."""
        config = copy.deepcopy(model.config)
        attention = decoding_attention(config.model_type, "cpu")
        # Drawing weights that are overwritten at once must not move the random numbers that the trainer draws from: a resumed
        # process makes its copy at another step.
        with torch.random.fork_rng(devices=[]):
            made: PreTrainedModel = type(model)._from_config(config, dtype=self._dtype, attn_implementation=attention)
            return made


def _made(
    decoder: Decoder, ids: Sequence[list[int]], seeds: Sequence[int], sampling: Sampling, ends: Collection[int]
) -> list[list[int]]:
    made = dict(decoder.completions(ids, seeds, sampling, ends))
    return [made[row] for row in range(len(ids))]


def row_seed(seed: int, step: int, row: int, turn: int = 0) -> int:
    """The seed of an answer; `row` is the place of its rollout among those of the step: prompt x generations + index in its
    group; `turn` counts the rollout's own answers."""
    return seed_by_hash("rollout", seed, step, row, *([turn] if turn else []))
