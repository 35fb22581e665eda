"""Rollouts on the CPU from a copy of the policy: a supported way (trl's rollout_func) to a cheaper step.

trl's own path generates with the float32 weights under autocast, which casts every weight again for every token. Here

- a copy in bf16 (where training is), refreshed once a step, generates;
- a prompt is read once for its whole group of rollouts, and its keys and values are shared out;
- grouped-query attention multiplies each key and value head with all its query heads, without repeating it;
- tokens are drawn by inverse CDF: one random number a rollout and token.

Each rollout's random numbers come from (seed, step, prompt, index in its group), whichever process makes it: a resumed run
draws what an undisturbed one does, and two processes what one does.
Measured by benchmarks/policy_step.py.
"""

import copy
import hashlib
import itertools
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from ifrl_core.policy.adapter import plain_model, plain_weights
from ifrl_core.training.clock import StepClock

_ATTENTION = "ifrl_grouped"
_BLOCK = 256


class CopyRollouts:
    """trl's rollout_func. Answers are cut after the first end token, which stays, as in trl's own path."""

    def __init__(
        self, *, max_tokens: int, temperature: float, seed: int, clock: StepClock, dtype: torch.dtype = torch.bfloat16
    ) -> None:
        self._max_tokens, self._temperature, self._seed, self._clock = max_tokens, temperature, seed, clock
        self._dtype = dtype
        self._copy: PreTrainedModel | None = None

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """{"prompt_ids": [[int]], "completion_ids": [[int]], "logprobs": None} in the order of the prompts."""
        start = time.perf_counter()
        tokenizer = trainer.processing_class
        groups = [(prompt, len(list(group))) for prompt, group in itertools.groupby(prompts)]
        texts = [tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True) for p, _ in groups]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        batch = tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt")
        index = torch.tensor([i for i, (_, size) in enumerate(groups) for _ in range(size)])
        # trl gives process p the p-th part of the step's rollouts, which lie group after group.
        first = trainer.accelerator.process_index * len(prompts)
        rows = range(first, first + len(prompts))
        model = self._refreshed(trainer.accelerator.unwrap_model(trainer.model))
        tokens = generate(
            model,
            batch["input_ids"],
            batch["attention_mask"],
            index,
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            ends=torch.tensor(trainer.eos_token_ids),
            uniforms=uniforms(self._seed, trainer.state.global_step, rows, self._max_tokens),
        )
        ends = set(trainer.eos_token_ids)
        completion_ids = [_cut(row, ends) for row in tokens.tolist()]
        self._clock.generate += time.perf_counter() - start
        return {"prompt_ids": [ids[i] for i in index], "completion_ids": completion_ids, "logprobs": None}

    @torch.no_grad()
    def _refreshed(self, policy: PreTrainedModel) -> PreTrainedModel:
        if self._copy is None:
            config = copy.deepcopy(policy.config)
            # Drawing weights that are overwritten at once must not move the random numbers that the trainer draws from:
            # a resumed process makes its copy at another step.
            with torch.random.fork_rng(devices=[]):
                self._copy = (
                    type(plain_model(policy))
                    ._from_config(config, dtype=self._dtype, attn_implementation=_ATTENTION)
                    .eval()
                )
        for mine, trained in zip(self._copy.parameters(), plain_weights(policy), strict=True):
            mine.copy_(trained)
        return self._copy


def uniforms(seed: int, step: int, rows: Iterable[int], count: int) -> Tensor:
    """Numbers in [0, 1) of shape (rows, count), one for each token of a rollout. `rows`: places among the step's rollouts,
    that is prompt x generations + index in its group."""
    streams = (torch.Generator().manual_seed(_row_seed(seed, step, row)) for row in rows)
    return torch.stack([torch.rand(count, generator=stream) for stream in streams])


def _row_seed(seed: int, step: int, row: int) -> int:
    digest = hashlib.sha256(f"rollout\0{seed}\0{step}\0{row}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Tensor,
    mask: Tensor,
    index: Tensor,
    *,
    max_tokens: int,
    temperature: float,
    ends: Tensor,
    uniforms: Tensor,
) -> Tensor:
    """Sampled tokens (N, T) with T <= max_tokens; row n continues prompt index[n]. What follows an end token is noise.

    `prompts`, `mask`: (P, L), padded on the left; `ends`: token ids that end an answer; `uniforms`: (N, max_tokens).
    """
    body: Any = model
    positions = (mask.cumsum(dim=-1) - 1).clamp_min(0)
    output = body(input_ids=prompts, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    cache = output.past_key_values
    cache.batch_select_indices(index)
    logits, mask, position = output.logits[index, -1], mask[index], positions[index, -1:]
    tokens: list[Tensor] = []
    ended = torch.zeros(len(index), 1, dtype=torch.bool)
    while True:
        uniform = uniforms[:, len(tokens), None]
        token = draw(torch.softmax(logits.float() / temperature, dim=-1), uniform)  # (N, 1)
        tokens.append(token)
        ended |= torch.isin(token, ends)
        if len(tokens) == max_tokens or bool(ended.all()):
            return torch.cat(tokens, dim=1)
        mask, position = torch.cat([mask, torch.ones_like(token)], dim=1), position + 1
        output = body(
            input_ids=token, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True
        )
        logits = output.logits[:, -1]


def draw(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """One token a row (N, 1) from probabilities (N, V), by inverse CDF at `uniform` (N, 1).

    In two steps, the block and then the token within it: a running sum over a whole vocabulary is not vectorised, and
    would take a quarter of the time of generation.
    """
    rows = len(probabilities)
    blocks = pad(probabilities, (0, -probabilities.shape[1] % _BLOCK)).view(rows, -1, _BLOCK)
    mass = blocks.sum(dim=-1)
    upto = mass.cumsum(dim=-1)
    target = uniform * upto[:, -1:]
    block = torch.searchsorted(upto, target, right=True).clamp_max(upto.shape[1] - 1)
    within = blocks[torch.arange(rows), block[:, 0]].cumsum(dim=-1)
    rest = target - (upto - mass).gather(1, block)
    # Rounding may leave a little more than the block holds: its last token that has any mass then.
    rest = torch.minimum(rest, within[:, -1:] * (1 - 1e-6))
    token = torch.searchsorted(within, rest, right=True).clamp_max(_BLOCK - 1)
    return block * _BLOCK + token


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Attention of (B, H, Q, D) queries to (B, K, T, D) keys: the H / K query heads of a key head become its rows."""
    batch, heads, queries, width = query.shape
    kept = key.shape[1]
    scores = (query.reshape(batch, kept, -1, width) * scaling) @ key.transpose(2, 3)
    if attention_mask is not None:
        by_head = scores.view(batch, kept, heads // kept, queries, -1) + attention_mask[:, :, None]
        scores = by_head.view(batch, kept, heads // kept * queries, -1)
    output = torch.softmax(scores, dim=-1) @ value
    return output.view(batch, heads, queries, width).transpose(1, 2), None


AttentionInterface.register(_ATTENTION, _attend)
AttentionMaskInterface.register(_ATTENTION, eager_mask)


def _cut(ids: list[int], ends: set[int]) -> list[int]:
    last = next((index for index, token in enumerate(ids) if token in ends), len(ids))
    return ids[: last + 1]
