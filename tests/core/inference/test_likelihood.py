"""How much likelier an answer is when a constraint is asked for."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.inference.likelihood import Asked, Likelihood, log_probs
from ifrl_core.models.folder import model_folder

SEED = [{"role": "user", "content": "Name a river."}]
LOUD = [{"role": "user", "content": "Name a river.\n\nUse capital letters."}]


@torch.inference_mode()
def test_answers_that_share_a_prompt_are_as_likely_as_each_alone() -> None:
    torch.manual_seed(0)
    size = LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    model = LlamaForCausalLM(size).eval()
    prompt, answers = (3, 1, 4, 1, 5), [(9, 2, 6), (5,), (3, 5, 8, 9)]
    alone = []
    for answer in answers:
        predicted = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        alone.append([float(predicted[len(prompt) - 1 + at, token]) for at, token in enumerate(answer)])
    for found, expected in zip(log_probs(model, prompt, answers), alone, strict=True):
        assert found.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.model
def test_a_contrast_is_of_its_own_prompts_and_answer(model_store: ArtifactStore, small_model: ArtifactRef) -> None:
    model = Likelihood(model_folder(small_model, model_store))
    asked = [Asked(SEED, LOUD, "THE RHINE"), Asked(SEED, SEED, "the Rhine"), Asked(SEED, LOUD, "")]
    loud, same, empty = model.contrasts(asked)
    assert loud
    assert loud == pytest.approx(model.contrasts(asked[:1])[0], abs=0.02)  # bf16
    assert same == 0.0
    assert empty is None
