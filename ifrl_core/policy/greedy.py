"""Greedy answers of the policy in training, by the decoder that makes its rollouts."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.records import Message

Answering = Callable[[Any, Sequence[Sequence[Message]]], list[str]]  # of a trainer and prompts: the responses


def answering(rollouts: CopyRollouts | None, *, at_once: int, longest: int) -> Answering:
    """By the copy of the policy, or by trl; of trl's own decoder at most `at_once` prompts are in flight, as in a step.

    A prompt of more than `longest` tokens, as a long conversation may come to, has no answer.
    """

    def answered(trainer: Any, prompts: Sequence[Sequence[Message]]) -> list[str]:
        ids = [prompt_ids(trainer.processing_class, messages) for messages in prompts]
        cut = [tokens[:longest] for tokens in ids]  # also of the others: processes go in step
        found = rollouts.greedy(cut, trainer) if rollouts else _by_trl(trainer, cut, at_once)
        kept = [[] if len(asked) > longest else tokens for asked, tokens in zip(ids, found, strict=True)]
        return [str(text) for text in trainer.processing_class.batch_decode(kept, skip_special_tokens=True)]

    return answered


def _by_trl(trainer: Any, ids: Sequence[list[int]], at_once: int) -> list[list[int]]:
    size = len(ids) if trainer.use_vllm else at_once
    with _greedy(trainer):
        parts = [
            trainer._generate_single_turn(list(ids[start : start + size]), None, {}, 1)[0]
            for start in range(0, len(ids), size)
        ]
    return [tokens for part in parts for tokens in part]


@contextmanager
def _greedy(trainer: Any) -> Iterator[None]:
    """Inside, trl takes the likeliest token (trl 1.16: vLLM's arguments, or transformers' in two places)."""
    holder, names = (trainer.vllm_generation, ["generation_kwargs"]) if trainer.use_vllm else (trainer, _OF_TRL)
    before = {name: getattr(holder, name) for name in names}
    if trainer.use_vllm:
        holder.generation_kwargs = {**before["generation_kwargs"], "temperature": 0.0}
    else:
        holder.generation_kwargs = {**before["generation_kwargs"], "do_sample": False}
        holder.generation_config = copy.deepcopy(before["generation_config"])
        holder.generation_config.do_sample = False
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(holder, name, value)


_OF_TRL = ["generation_kwargs", "generation_config"]
