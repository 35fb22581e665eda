"""Rollouts from the bf16 copy: sampled right, attended right, repeatable."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.generation import CopyRollouts, draw, generate, uniforms
from ifrl_core.training.clock import StepClock


def small_model(attention: str) -> PreTrainedModel:
    """A random Llama with grouped-query attention: the arithmetic is under test, not what it says."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=700,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=2,
        initializer_range=0.4,
    )
    return LlamaForCausalLM._from_config(config, attn_implementation=attention).eval()


@torch.no_grad()
def test_grouped_attention_is_attention() -> None:
    ids = torch.randint(0, 700, (3, 11))
    mask = torch.ones_like(ids)
    mask[1, :5] = 0
    ours, theirs = (small_model(name)(input_ids=ids, attention_mask=mask).logits for name in ("ifrl_grouped", "sdpa"))
    kept = mask.bool()
    torch.testing.assert_close(ours[kept], theirs[kept], atol=1e-3, rtol=1e-3)


def test_shared_prompts_continue_as_if_each_rollout_had_read_its_own() -> None:
    model = small_model("ifrl_grouped")
    prompts = torch.randint(0, 700, (2, 6))
    mask = torch.ones_like(prompts)
    mask[0, :3] = 0
    index = torch.tensor([0, 0, 0, 1, 1])

    def answer(prompts: torch.Tensor, mask: torch.Tensor, index: torch.Tensor) -> list[list[int]]:
        ends = torch.tensor([-1])
        numbers = uniforms(5, 0, range(5), 7)
        options: dict[str, Any] = {"max_tokens": 7, "temperature": 1.0, "ends": ends, "uniforms": numbers}
        return generate(model, prompts, mask, index, **options).tolist()

    shared = answer(prompts, mask, index)
    assert shared == answer(prompts[index], mask[index], torch.arange(5))
    assert len({tuple(row) for row in shared}) > 1


def test_a_cold_answer_is_the_greedy_one_of_transformers() -> None:
    model = small_model("ifrl_grouped")
    prompts = torch.randint(0, 700, (2, 6))
    mask = torch.ones_like(prompts)
    ours = generate(
        model,
        prompts,
        mask,
        torch.arange(2),
        max_tokens=9,
        temperature=1e-4,
        ends=torch.tensor([-1]),
        uniforms=uniforms(0, 0, range(2), 9),
    )
    theirs: Any = small_model("sdpa")
    expected = theirs.generate(
        input_ids=prompts, attention_mask=mask, max_new_tokens=9, do_sample=False, pad_token_id=0
    )
    assert ours.tolist() == expected[:, 6:].tolist()


@pytest.mark.parametrize("vocabulary", [5, 256, 700])
def test_tokens_are_drawn_as_often_as_they_are_probable(vocabulary: int) -> None:
    # 40,000 draws of 5 tokens: a frequency is off by 0.015 (6 standard deviations) with odds of 1e-8.
    probabilities = torch.zeros(vocabulary)
    tokens = torch.linspace(0, vocabulary - 1, 5).long()
    probabilities[tokens] = torch.tensor([0.5, 0.3, 0.1, 0.09, 0.01])
    drawn = draw(probabilities.expand(40_000, -1), uniforms(0, 0, [0], 40_000).T)[:, 0]
    frequencies = torch.bincount(drawn, minlength=vocabulary) / len(drawn)
    assert frequencies.shape == probabilities.shape
    assert bool((frequencies[probabilities == 0] == 0).all())
    torch.testing.assert_close(frequencies, probabilities, atol=0.015, rtol=0)


def test_a_rollouts_numbers_depend_on_its_place_and_step_alone() -> None:
    whole = uniforms(3, 7, range(8), 5)
    assert torch.equal(whole[4:], uniforms(3, 7, range(4, 8), 5))
    assert len(torch.unique(torch.cat([whole, uniforms(3, 8, range(8), 5), uniforms(4, 7, range(8), 5)]))) == 120


@pytest.mark.model
def test_rollouts_are_repeatable_grouped_and_cut_after_the_end(model: ArtifactRef, model_store: ArtifactStore) -> None:
    from transformers import AutoModelForCausalLM

    folder = model_folder(model, model_store)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
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
        return CopyRollouts(max_tokens=12, temperature=1.0, seed=3, clock=StepClock())(prompts, trainer)

    first = rollouts(0)
    assert first == rollouts(0)
    assert first != rollouts(1)
    assert first["prompt_ids"][0] == first["prompt_ids"][1] != first["prompt_ids"][2]
    for ids in first["completion_ids"]:
        assert 1 <= len(ids) <= 12
        assert tokenizer.eos_token_id not in ids[:-1]
