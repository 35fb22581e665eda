"""Packed weights: the products of the plain ones, up to bf16's rounding, and the model's parameters in their order."""

import copy

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from ifrl_core.errors import ModelError
from ifrl_core.inference.decoder import Decoder
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.packed import PackedLinear, pack, stands_in
from ifrl_core.models.dtype import computes_in_bfloat16
from tests.core.models.tiny import configs

pytestmark = pytest.mark.skipif(not computes_in_bfloat16("cpu"), reason="the processor does not compute in bf16")
PROMPTS = [[5, 9, 2], [7], [1, 2, 3, 4]]


def model(seed: int = 0, *, tied: bool = True, dtype: torch.dtype = torch.bfloat16) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        tie_word_embeddings=tied,
    )
    made: LlamaForCausalLM = LlamaForCausalLM._from_config(config, dtype=dtype).eval()
    return made


def decoded(decoder: Decoder) -> dict[int, list[int]]:
    return dict(decoder.completions(PROMPTS, [1, 2, 3], Sampling(8), set()))


@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_computes_what_the_plain_one_does(bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(40, 24, bias=bias, dtype=torch.bfloat16)
    packed = PackedLinear(plain, plain.weight)
    for shape in ((1, 40), (33, 1, 40), (2, 70, 40)):
        values = torch.randn(shape, dtype=torch.bfloat16)
        torch.testing.assert_close(packed(values), plain(values), rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("tied", [True, False])
def test_a_packed_model_predicts_what_the_plain_one_does(tied: bool) -> None:
    plain, packed = model(tied=tied), model(tied=tied)
    pack(packed)
    ids = torch.tensor([PROMPTS[2]])
    with torch.inference_mode():
        assert (plain(ids).logits - packed(ids).logits).abs().max() < 0.05 * plain(ids).logits.std()
    assert [(name, weight.shape) for name, weight in plain.named_parameters()] == [
        (name, weight.shape) for name, weight in packed.named_parameters()
    ]
    held = sum(weight.numel() for weight in packed.parameters() if not stands_in(weight))
    assert held == 96 * 32 + 5 * 32  # the embedding and the norms


@pytest.mark.parametrize("kind", configs(96))
def test_so_does_every_kind_of_model(kind: str) -> None:
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(configs(96)[kind], dtype=torch.bfloat16).eval()
    packed = Decoder(copy.deepcopy(plain))
    (tokens,) = dict(packed.completions(PROMPTS[2:], [1], Sampling(4), set())).values()
    ids = torch.tensor([PROMPTS[2] + tokens])
    with torch.inference_mode():
        torch.testing.assert_close(packed.model(ids).logits, plain(ids).logits, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("tied", [True, False])
def test_a_decoder_takes_the_weights_it_is_given(tied: bool) -> None:
    decoder = Decoder(model(1, tied=tied))
    assert decoded(decoder) != decoded(Decoder(model(2, tied=tied)))
    decoder.take(weight.float() for weight in model(2, tied=tied).parameters())
    assert decoded(decoder) == decoded(Decoder(model(2, tied=tied)))


def test_other_number_formats_stay_as_they_are() -> None:
    assert pack(model(dtype=torch.float32)) == {}


def test_a_model_that_computes_with_a_packed_weight_itself_is_found_out() -> None:
    odd = model()
    decoder = Decoder(odd)
    layer = odd.model.layers[0].mlp.up_proj
    layer.forward = lambda values: nn.functional.linear(values, layer.weight)
    with pytest.raises(ModelError, match="is no number"):
        decoded(decoder)
