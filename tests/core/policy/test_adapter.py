"""Adapters: what generates and what is saved is the base with the adapter's part added."""

from pathlib import Path

import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from ifrl_core.config import LoraConfig
from ifrl_core.policy.adapter import merged, peft_config, plain_model, plain_weights

LORA = LoraConfig(rank=4, alpha=8)


def base(folder: Path) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@torch.no_grad()
def test_plain_and_merged_weights_answer_as_the_adapted_model_does(tmp_path: Path) -> None:
    folder = base(tmp_path / "m")
    policy = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), peft_config(LORA))
    for name, weight in policy.named_parameters():
        if "lora_B" in name:  # zero until trained
            weight.normal_(std=0.1)
    ids = torch.arange(12)[None]
    expected = policy(input_ids=ids).logits

    copy = AutoModelForCausalLM.from_pretrained(folder)
    assert not torch.allclose(copy(input_ids=ids).logits, expected, atol=1e-2), "the adapter should matter"
    for mine, trained in zip(copy.parameters(), plain_weights(policy), strict=True):
        mine.copy_(trained)
    torch.testing.assert_close(copy(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)

    saved = merged(folder, LORA, policy.state_dict())
    torch.testing.assert_close(saved(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
    assert type(saved) is type(plain_model(policy)) is LlamaForCausalLM
