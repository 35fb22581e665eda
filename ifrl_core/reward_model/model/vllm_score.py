"""Probabilities from a reward model's folder by vLLM's pooling runner, for models that one GPU does not hold.

A sequence a pair; those of one response go in one after the other and find its tokens in the prefix cache.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ifrl_core.config import Dtype, VllmConfig
from ifrl_core.inference.vllm_engine import open_vllm
from ifrl_core.models.dtype import usable_dtype
from ifrl_core.models.looks.kind import read_config
from ifrl_core.reward_model.model.scorer import Pair, Probabilities
from ifrl_core.reward_model.model.settings import read_settings
from ifrl_core.reward_model.model.template import encode

_AT_ONCE = 256


class VllmRewardModel:
    """A reward model on all GPUs of the machine that its attention heads can be shared out among, else on the CPU."""

    def __init__(self, folder: Path, *, dtype: Dtype | None = None) -> None:
        """Load a folder that the reward-model stage wrote; `dtype` as of RewardModel.

        Raises:
            ConfigError: when vLLM is not installed.
            ModelError: when the folder is not a whole one, or was trained with another template than this version renders.
        """
        self._settings = read_settings(folder)
        self.dtype: Dtype = usable_dtype(dtype or "bfloat16")
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        config = VllmConfig(
            max_model_len=self._settings.max_tokens,
            tensor_parallel_size=_shares(int(read_config(folder, str(folder))["num_attention_heads"])),
        )
        self._llm: Any = open_vllm(folder, self.dtype, batch_size=_AT_ONCE, config=config, runner="pooling")

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """As `RewardModel.probabilities`."""
        from vllm import PoolingParams

        encoded = encode(self._tokenizer, pairs, self._settings.max_tokens)
        inputs = {place: (item.head, item.tail) for place, item in enumerate(encoded) if item is not None}
        order = sorted(inputs, key=inputs.__getitem__)
        prompts = [{"prompt_token_ids": [*inputs[place][0], *inputs[place][1]]} for place in order]
        raw = PoolingParams(use_activation=False)
        outputs = self._llm.classify(prompts, pooling_params=raw, use_tqdm=False) if prompts else []
        probabilities: Probabilities = [None] * len(pairs)
        for place, output in zip(order, outputs, strict=True):
            [logit] = output.outputs.probs
            scaled = self._settings.scale * logit + self._settings.bias
            probabilities[place] = torch.tensor(scaled).sigmoid().item() if math.isfinite(scaled) else None
        return probabilities


def _shares(heads: int) -> int:
    """How many of the GPUs here can share the heads."""
    return max((n for n in range(1, torch.cuda.device_count() + 1) if heads % n == 0), default=1)
