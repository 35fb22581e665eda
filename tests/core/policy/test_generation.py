"""Rollouts from the copy of the policy: trl's contract, repeatable, one stream of numbers a rollout."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ifrl_core.policy.generation import CopyRollouts, row_seed


def test_a_rollouts_seed_is_of_its_run_step_and_place() -> None:
    seeds = [row_seed(seed, step, row) for seed in (3, 4) for step in (7, 8) for row in range(8)]
    assert len(set(seeds)) == 32
    assert row_seed(3, 7, 4) == seeds[4] == 3_684_953_254_451_698_454


@pytest.mark.model
def test_rollouts_are_repeatable_by_step_and_end_with_the_first_end_token(small_model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small_model_folder)
    policy = AutoModelForCausalLM.from_pretrained(small_model_folder, dtype=torch.float32)
    policy.config.use_cache = False  # trl does that
    trainer = SimpleNamespace(
        processing_class=tokenizer,
        accelerator=SimpleNamespace(unwrap_model=lambda model: model, process_index=0),
        model=policy,
        state=SimpleNamespace(global_step=0),
        eos_token_ids=[tokenizer.eos_token_id],
    )
    prompts = [[{"role": "user", "content": text}] for text in ("Say yes.", "Say yes.", "Name a colour, one word.")]

    def rollouts(step: int) -> dict[str, Any]:
        trainer.state.global_step = step
        return CopyRollouts(max_tokens=12, temperature=1.0, seed=3, dtype=torch.float32)(prompts, trainer)

    first = rollouts(0)
    assert first == rollouts(0)
    assert first != rollouts(1)
    assert first["prompt_ids"][0] == first["prompt_ids"][1] != first["prompt_ids"][2]
    whole = first["completion_ids"][0]
    trainer.eos_token_ids = [whole[3]]
    assert rollouts(0)["completion_ids"][0] == whole[: whole.index(whole[3]) + 1]
