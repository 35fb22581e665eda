"""The decode loop: a completion is the model's own and its seed's alone, whatever shares its batch."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PretrainedConfig

from ifrl_core.errors import ModelError
from ifrl_core.inference.attention import GROUPED_DECODE
from ifrl_core.inference.decode import check_layers, decode
from ifrl_core.inference.engine import Sampling

VOCABULARY = 700
LENGTHS = (6, 14, 3, 14, 9, 5, 20)
Shapes = list[tuple[tuple[int, int], tuple[int, int]]]  # of ids and mask


def random_model(attention: str = GROUPED_DECODE) -> Any:
    """A random Llama with grouped-query attention, in float32: the arithmetic is under test, not what it says."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=2,
        initializer_range=0.4,
    )
    return LlamaForCausalLM._from_config(config, attn_implementation=attention).eval()


def token_ids(length: int, seed: int) -> list[int]:
    source = torch.Generator().manual_seed(seed)
    ids: list[int] = torch.randint(0, VOCABULARY, (length,), generator=source).tolist()
    return ids


MODEL = random_model()
PROMPTS = [token_ids(length, seed) for seed, length in enumerate(LENGTHS)]
SEEDS = list(range(100, 100 + len(PROMPTS)))
ENDS = set(range(0, VOCABULARY, 16))  # random completions: about half end before their last token
SAMPLED = Sampling(12)


def completions(
    prompts: list[list[int]] = PROMPTS,
    seeds: list[int] = SEEDS,
    sampling: Sampling = SAMPLED,
    ends: set[int] = ENDS,
    **limits: int,
) -> list[list[int]]:
    by_index = dict(decode(MODEL, prompts, seeds, sampling, ends, **limits))
    return [by_index[index] for index in range(len(prompts))]


def forward_shapes(monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """The shapes of ids and mask of every forward pass from now on, as they come."""
    shapes: Shapes = []
    forward = MODEL.forward

    def seen(**inputs: Any) -> Any:
        shapes.append((tuple(inputs["input_ids"].shape), tuple(inputs["attention_mask"].shape)))
        return forward(**inputs)

    monkeypatch.setattr(MODEL, "forward", seen)
    return shapes


def test_greedy_completions_are_those_of_generate() -> None:
    cold = completions(sampling=Sampling(12, temperature=0.0), max_rows=3)
    reference = random_model("sdpa")
    for prompt, tokens in zip(PROMPTS, cold, strict=True):
        output = reference.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=sorted(ENDS),
            pad_token_id=0,
        )
        assert tokens == output[0, len(prompt) :].tolist()
    assert {tokens[-1] in ENDS for tokens in cold} == {True, False}


@pytest.mark.parametrize("limits", [{"max_rows": 1}, {"max_rows": 2}, {"max_rows": 4}, {"cache_tokens": 70}])
def test_a_completion_does_not_depend_on_what_shares_its_batch(limits: dict[str, int]) -> None:
    assert completions(**limits) == completions()
    assert completions(PROMPTS[::-1], SEEDS[::-1], **limits) == completions()[::-1]


def test_another_seed_changes_its_own_completion_alone() -> None:
    changed = completions(seeds=[*SEEDS[:3], 999, *SEEDS[4:]])
    differing = [index for index, (one, other) in enumerate(zip(changed, completions(), strict=True)) if one != other]
    assert differing == [3]


def test_equal_prompts_are_read_once_and_go_on_as_if_each_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [PROMPTS[0]] * 3 + [PROMPTS[2]] * 2
    alone = completions(prompts, SEEDS[:5], ends=set(), max_rows=1)
    shapes = forward_shapes(monkeypatch)
    assert completions(prompts, SEEDS[:5], ends=set()) == alone
    assert [ids for ids, _ in shapes] == [(2, LENGTHS[0])] + [(5, 1)] * 11
    assert len(set(map(tuple, alone))) == 5


def test_a_completion_ends_with_its_first_end_token_or_at_the_most_tokens() -> None:
    tokens = completions()
    assert all(token not in ENDS for row in tokens for token in row[:-1])
    assert all(row[-1] in ENDS or len(row) == 12 for row in tokens)
    assert {len(row) < 12 for row in tokens} == {True, False}


def test_the_batch_stays_within_its_budget_and_shrinks_as_completions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = forward_shapes(monkeypatch)
    completions(PROMPTS * 2, SEEDS * 2, max_rows=4, cache_tokens=100)
    masks = [mask for _, mask in shapes]
    assert max(rows for rows, _ in masks) > 1
    assert all(rows <= 4 and rows * width <= 100 for rows, width in masks)
    assert masks[-1][0] < 4


def test_no_prompt_needs_no_completion() -> None:
    assert completions([], []) == []


def test_layers_with_a_recurrent_state_are_refused() -> None:
    config = PretrainedConfig(name_or_path="qwen", layer_types=["linear_attention", "full_attention"])
    with pytest.raises(ModelError, match="qwen: layers of type linear_attention are not"):
        check_layers(config)


def test_weights_that_compute_no_numbers_are_refused() -> None:
    model = random_model()
    model.model.norm.weight.data[3] = float("nan")
    with pytest.raises(ModelError, match="is no number"):
        list(decode(model, PROMPTS[:1], SEEDS[:1], SAMPLED, ENDS))


def test_positions_end_completions_and_what_fills_them_has_an_empty_one() -> None:
    free, bounded = completions(ends=set()), completions(ends=set(), positions=14)
    for prompt, without, within in zip(PROMPTS, free, bounded, strict=True):
        assert within == without[: max(0, 14 - len(prompt))]
