"""A group in one row gives the log-probabilities, entropies and gradients of its answers alone; where not, it is not done."""

import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask
from transformers import AutoModelForCausalLM, FalconConfig
from trl.trainer.utils import add_fused_lm_head

from ifrl_core.models.packing import mask_of, sees
from ifrl_core.policy.block_attention import BLOCKS, block_mask
from ifrl_core.policy.shared_prefix import Group, SharedPrefix, groups_of, line_of
from ifrl_core.policy.sharing import attention_window, open_sharing
from tests.core.models.tiny import configs

PROMPTS = ([1, 2, 3, 4, 5, 6, 7], [8, 9])
ANSWERS = {0: [11, 12, 13, 14], 2: [15], 3: [16, 17, 18], 1: [12, 11], 4: [19]}  # rows 0, 2, 3 answer the first


def model_of(config: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, 0.0, 0.3)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    return model.eval()


def batch() -> tuple[Tensor, Tensor, int]:
    """The answers as trl lays them out, and a row without one."""
    longest, most = max(map(len, PROMPTS)), max(map(len, ANSWERS.values()))
    ids, mask = torch.zeros(6, longest + most, dtype=torch.long), torch.zeros(6, longest + most, dtype=torch.long)
    for row in range(6):
        prompt, answer = PROMPTS[0 if row in (0, 2, 3) else 1], ANSWERS.get(row, [])
        ids[row, longest - len(prompt) : longest + len(answer)] = torch.tensor(prompt + answer)
        mask[row, longest - len(prompt) : longest + len(answer)] = 1
    return ids, mask, most


def alone(model: Any, prompt: list[int], answer: list[int]) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([prompt + answer])
    labels = ids.clone()
    labels[:, : len(prompt)] = -100
    output = model(input_ids=ids, labels=labels, fused_lm_head=True)
    return output.log_probs[0, -len(answer) :], output.entropy[0, -len(answer) :]


def gradient(model: Any, loss: Tensor) -> Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def test_groups_are_rows_of_one_prompt_that_have_an_answer() -> None:
    assert groups_of(*batch()) == [
        Group((1, 2, 3, 4, 5, 6, 7), {0: [11, 12, 13, 14], 2: [15], 3: [16, 17, 18]}),
        Group((8, 9), {1: [12, 11], 4: [19]}),
    ]


def test_a_group_of_many_tokens_is_several_rows_on_a_cpu() -> None:
    model, ids = model_of(configs(259)["llama"]), torch.ones(5, 203, dtype=torch.long)
    rows: list[tuple[int, ...]] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: rows.append(tuple(inputs[0].shape)))
    SharedPrefix([model])(model, groups_of(ids, ids, 200), ids[:, 3:].bool())
    assert rows == [(1, 3 + 2 * 199), (1, 3 + 2 * 199), (1, 3 + 199)]


def test_blocks_are_the_same_mask() -> None:
    line = line_of(groups_of(*batch()))
    parts, heads = torch.tensor([line.parts]), torch.tensor([line.heads])
    length = len(line.ids)
    assert length == 7 + (3 + 0 + 2) + 2 + (1 + 0)
    by_rule = create_mask(sees(parts, heads), 1, 1, length, length, device="cpu")
    assert torch.equal(mask_of(parts, heads), by_rule)
    assert block_mask(parts, heads).shape == (1, 1, length, length)
    assert not by_rule[0, 0, 12:, :12].any(), "a group sees another"


@pytest.mark.model
def test_attention_by_blocks_gives_the_same() -> None:
    """FlexAttention as CUDA has it, but not compiled; on a CPU it has no backward pass."""
    model = model_of(configs(259)["llama"])
    ids, mask, most = batch()
    groups, answers = groups_of(ids, mask, most), mask[:, -most:].bool()
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        plain = SharedPrefix([model])(model, groups, answers).log_probs
        model.set_attn_implementation(BLOCKS)
        by_blocks = SharedPrefix([model], blocks=True)(model, groups, answers).log_probs
        assert torch.equal(SharedPrefix([model])(model, groups, answers).log_probs, plain), "other masks are sdpa's"
    assert (by_blocks - plain).abs().max() < 1e-5


@pytest.mark.parametrize(("kind", "blocks"), [*((kind, False) for kind in configs(259)), ("llama", True)])
def test_a_group_gives_what_its_answers_give_alone(kind: str, blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `blocks` as on CUDA, but for the kernel."""
    monkeypatch.setattr("ifrl_core.policy.shared_prefix.block_mask", mask_of)
    model = model_of(configs(259)[kind])
    ids, mask, most = batch()
    sharing = SharedPrefix([model], blocks=blocks)
    together = sharing(model, groups_of(ids, mask, most), mask[:, -most:].bool())
    ours = gradient(model, together.log_probs.sum())
    sharing.close()
    expected, entropies = torch.zeros(6, most), torch.zeros(6, most)
    for row, answer in ANSWERS.items():
        expected[row, : len(answer)], entropies[row, : len(answer)] = alone(
            model, PROMPTS[0 if row in (0, 2, 3) else 1], answer
        )
    theirs = gradient(model, expected.sum())
    assert (together.log_probs - expected).abs().max() < 1e-5
    assert together.entropies is not None
    assert (together.entropies - entropies).abs().max() < 1e-5
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()


def trainer(**changes: Any) -> Any:
    plain = {
        "accelerator": SimpleNamespace(device=torch.device("cpu")),
        "is_fsdp_enabled": False,
        "is_deepspeed_enabled": False,
        "aux_loss_enabled": False,
    }
    return SimpleNamespace(**{**plain, **changes})


def test_a_model_that_would_be_off_is_trained_in_trls_way_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, alibi = configs(259)["falcon"], FalconConfig(**{**configs(259)["falcon"].to_dict(), "alibi": True})
    assert open_sharing(trainer(), [model_of(good)]) is not None
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        model = model_of(alibi).train()
        assert open_sharing(trainer(), [model]) is None
        for otherwise in ("is_fsdp_enabled", "is_deepspeed_enabled", "aux_loss_enabled"):
            assert open_sharing(trainer(**{otherwise: True}), [model_of(good)]) is None
    off, *sharded, experts = (record.message for record in caplog.records)
    assert "FalconForCausalLM" in off
    assert ["policy.launch.strategy" in message for message in sharded] == [True, True]
    assert "router_aux_loss_coef" in experts
    assert model.training, "it is left as it was"
    assert not model.base_model._forward_hooks


def test_so_is_a_model_that_cannot_compute_a_group_in_one_row(caplog: pytest.LogCaptureFixture) -> None:
    model = model_of(configs(259)["llama"]).train()

    def refuse(*_: Any) -> None:
        raise RuntimeError("no kernel for masks\nat some place")

    refusal = model.base_model.register_forward_pre_hook(refuse)
    with caplog.at_level(logging.WARNING):
        assert open_sharing(trainer(), [model]) is None
    [record] = caplog.records
    assert record.message.endswith(
        "LlamaForCausalLM takes no rows with a mask and positions of their own (no kernel for masks)"
    )
    refusal.remove()
    assert model.training
    assert not model.base_model._forward_hooks


def test_layers_with_a_window_bound_the_row() -> None:
    windows = {kind: attention_window(config) for kind, config in configs(259).items()}
    assert {kind for kind, window in windows.items() if window == 32} == {"qwen2-window", "gemma3"}
    assert {window for window in windows.values() if window != 32} == {math.inf}
