"""Rollouts from the copy of the policy: trl's contract, repeatable, one stream of numbers a rollout."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ifrl_core.inference import decode
from ifrl_core.policy.generation import CopyRollouts, row_seed


def test_a_rollouts_seed_is_of_its_run_step_and_place() -> None:
    seeds = [row_seed(seed, step, row) for seed in (3, 4) for step in (7, 8) for row in range(8)]
    assert len(set(seeds)) == 32
    assert row_seed(3, 7, 4) == seeds[4] == 3_684_953_254_451_698_454


def trainer_of(folder: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy.config.use_cache = False  # trl does that
    return SimpleNamespace(
        processing_class=tokenizer,
        accelerator=SimpleNamespace(unwrap_model=lambda model: model, process_index=0),
        model=policy,
        state=SimpleNamespace(global_step=0),
        eos_token_ids=[tokenizer.eos_token_id],
    )


PROMPTS = [[{"role": "user", "content": text}] for text in ("Say yes.", "Say yes.", "Name a colour, one word.")]


@pytest.mark.model
def test_rollouts_are_repeatable_by_step_and_end_with_the_first_end_token(small_model_folder: Path) -> None:
    trainer = trainer_of(small_model_folder)

    def rollouts(step: int) -> dict[str, Any]:
        trainer.state.global_step = step
        return CopyRollouts(max_tokens=12, temperature=1.0, seed=3, dtype=torch.float32)(PROMPTS, trainer)

    first = rollouts(0)
    assert first == rollouts(0)
    assert first != rollouts(1)
    assert first["prompt_ids"][0] == first["prompt_ids"][1] != first["prompt_ids"][2]
    whole = first["completion_ids"][0]
    trainer.eos_token_ids = [whole[3]]
    assert rollouts(0)["completion_ids"][0] == whole[: whole.index(whole[3]) + 1]


@pytest.mark.model
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_rollouts_are_drawn_by_the_probabilities_that_training_computes(
    small_model_folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, most: float
) -> None:
    drawn: list[torch.Tensor] = []

    def seen(logits: torch.Tensor, *others: Any) -> list[int]:
        tokens = draw(logits, *others)
        drawn.append(logits.float().log_softmax(-1)[range(len(tokens)), tokens])
        return tokens

    draw = decode.draw
    monkeypatch.setattr(decode, "draw", seen)
    trainer = trainer_of(small_model_folder)
    trainer.eos_token_ids = []  # so that rows stay in their places
    made = CopyRollouts(max_tokens=12, temperature=1.0, seed=3, dtype=dtype)(PROMPTS, trainer)
    assert made["logprobs"] is None  # trl takes those of the weights it trains
    sampled = torch.stack(drawn, dim=1)[[1, 2, 0]]  # in flight, the longest prompt goes first
    for prompt, answer, mine in zip(made["prompt_ids"], made["completion_ids"], sampled, strict=True):
        logits = trainer.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        trained = logits.log_softmax(-1)[range(len(answer)), answer]
        assert (mine - trained).abs().max() < most
