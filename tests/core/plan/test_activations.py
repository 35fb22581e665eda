"""The arithmetic of activations is what autograd saves: storages counted while a random Llama goes forward."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from ifrl_core.config import LoraConfig
from ifrl_core.models.shapes import ModelShape
from ifrl_core.plan.activations import layer_bytes, stack_bytes
from ifrl_core.plan.memory import PART_TOKENS
from ifrl_core.policy.shared_prefix import MAX_ANSWER_TOKENS, Group, SharedPrefix

SHAPE = ModelShape(2, 96, 6, 2, 256, 512, 4096, tied=True)
PROMPT, ANSWER, ANSWERS = 40, 9, 8
TOKENS = PROMPT + ANSWERS * (ANSWER - 1)
WAYS = list(product((2, 4), (False, True), (False, True)))


def model(layers: int, number: int, *, adapted: bool, recomputed: bool) -> Any:
    from peft import get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    from ifrl_core.policy.adapter import peft_config

    config = LlamaConfig(
        hidden_size=SHAPE.hidden,
        num_hidden_layers=layers,
        num_attention_heads=SHAPE.heads,
        num_key_value_heads=SHAPE.kv_heads,
        intermediate_size=SHAPE.intermediate,
        vocab_size=SHAPE.vocabulary,
    )
    dtype = torch.bfloat16 if adapted and number == 2 else torch.float32
    made: Any = LlamaForCausalLM._from_config(config, dtype=dtype, attn_implementation="sdpa")
    add_fused_lm_head(made)
    if adapted:
        made = get_peft_model(made, peft_config(LoraConfig(rank=1)))
        made.enable_input_require_grads()
        for weight in made.parameters():
            weight.data = weight.data.float() if weight.requires_grad else weight.data
    if recomputed:
        made.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return made.train()


def saved(layers: int, number: int, *, adapted: bool, recomputed: bool) -> int:
    """Bytes that a pass leaves for its backward pass, without weights, their casts and attention's mask."""
    made = model(layers, number, adapted=adapted, recomputed=recomputed)
    own = {weight.untyped_storage().data_ptr() for weight in made.parameters()}
    shapes = {tuple(weight.shape[::way]) for weight in made.parameters() for way in (1, -1)}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own and tuple(tensor.shape) not in shapes and tensor.shape[-2:] != (TOKENS, TOKENS):
            kept[place] = tensor
        return tensor

    sharing = SharedPrefix([made])
    groups = [Group(tuple(range(PROMPT)), {row: list(range(ANSWER)) for row in range(ANSWERS)})]
    mask = torch.ones(ANSWERS, ANSWER, dtype=torch.bool)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=number == 2):
        sharing(made, groups, mask)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.model
@pytest.mark.parametrize(("number", "adapted", "recomputed"), WAYS)
def test_a_layer_keeps_what_the_arithmetic_says(number: int, adapted: bool, recomputed: bool) -> None:
    how = {"adapted": adapted, "recomputed": recomputed}
    a_layer = saved(3, number, **how) - saved(2, number, **how)
    modules, stream = (SHAPE.linears, number) if adapted else (None, 4)
    planned = [
        stack_bytes(SHAPE, TOKENS, layers, number, adapted=modules, recomputed=recomputed, stream=stream)
        for layers in (2, 3)
    ]
    assert planned[1] - planned[0] == pytest.approx(a_layer, rel=0.02)


def test_the_answers_of_a_row_are_as_many_as_the_policy_packs() -> None:
    assert PART_TOKENS == MAX_ANSWER_TOKENS


def test_of_adapters_only_their_own_inputs_are_kept() -> None:
    all_ = layer_bytes(SHAPE, 2, list(SHAPE.linears))
    assert layer_bytes(SHAPE, 2, ["q_proj", "v_proj"]) == all_ - 2 * (3 * 96 + 96 + 256)
    assert layer_bytes(SHAPE, 2) == 26 * 96 + 8 * 96 + 8 * 256
