"""The embedded engine: its answers are the model's own, whatever shares their batch."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import ModelError
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.attention import grouped_decode
from ifrl_core.inference.draws import choose, uniforms
from ifrl_core.inference.transformers_engine import TransformersEngine, check_layers, usable_dtype
from ifrl_core.models.folder import model_folder

QUESTIONS = (
    "Name a river.",
    "What is 2 + 2? Answer with the number alone.",
    "Write one sentence about the moon and the sea, in the style of a letter to an old friend who lives far away.",
    "Say yes.",
    "List three fruits, separated by commas. Do not write anything else, and do not explain your choice at all.",
    "Is water wet? Answer yes or no.",
    "Who wrote Hamlet?",
)
REQUESTS = [Request([{"role": "user", "content": text}], seed) for seed, text in enumerate(QUESTIONS)]
SAMPLED = Sampling(12)


@pytest.fixture(scope="module")
def folder(model: ArtifactRef, model_store: ArtifactStore) -> Path:
    return model_folder(model, model_store)


@pytest.fixture(scope="module")
def together(folder: Path) -> list[Completion]:
    return exact(folder).generate(REQUESTS, SAMPLED)


def exact(folder: Path, **sizes: int) -> TransformersEngine:
    """In float32, where the rounding of another batch does not reach a drawn token."""
    return TransformersEngine(folder, dtype="float32", **sizes)


@pytest.mark.model
def test_greedy_answers_are_those_of_generate(folder: Path) -> None:
    made = exact(folder, batch_size=3).generate(REQUESTS, Sampling(24, temperature=0.0))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for request, completion in zip(REQUESTS, made, strict=True):
        inputs = tokenizer.apply_chat_template(
            list(request.messages), add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        output = reference.generate(**inputs, max_new_tokens=24, do_sample=False)[0]
        answer = output[inputs["input_ids"].shape[1] :]
        stopped = answer[-1].item() == tokenizer.eos_token_id
        assert completion == Completion(
            tokenizer.decode(answer, skip_special_tokens=True),
            "stop" if stopped else "length",
            inputs["input_ids"].shape[1],
            len(answer) - stopped,
        )
    assert {completion.finish_reason for completion in made} == {"stop", "length"}


@pytest.mark.model
@pytest.mark.parametrize("sizes", [{"batch_size": 1}, {"batch_size": 2}, {"batch_size": 4}, {"cache_tokens": 150}])
def test_an_answer_does_not_depend_on_what_shares_its_batch(
    folder: Path, together: list[Completion], sizes: dict[str, int]
) -> None:
    assert exact(folder, **sizes).generate(REQUESTS, SAMPLED) == together


@pytest.mark.model
def test_answers_come_in_the_order_of_the_requests(folder: Path, together: list[Completion]) -> None:
    assert exact(folder, batch_size=3).generate(REQUESTS[::-1], SAMPLED) == together[::-1]


@pytest.mark.model
def test_the_seed_decides_the_text(folder: Path) -> None:
    requests = [Request(REQUESTS[2].messages, seed) for seed in (5, 6, 5)]
    first, other, again = exact(folder).generate(requests, SAMPLED)
    assert first == again
    assert first.text != other.text


@pytest.mark.model
def test_the_batch_stays_within_its_budget_and_shrinks_as_answers_end(folder: Path) -> None:
    shapes: list[tuple[int, int]] = []
    engine = exact(folder, batch_size=4, cache_tokens=240)
    engine.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["attention_mask"].shape)), with_kwargs=True
    )
    engine.generate(REQUESTS * 2, Sampling(16))
    assert max(rows for rows, _ in shapes) > 1
    assert all(rows <= 4 and rows * width <= 240 for rows, width in shapes)
    assert min(rows for rows, _ in shapes[-3:]) < 4


@pytest.mark.model
def test_progress_counts_finished_requests(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    said: list[str] = []

    def progress(done: int, total: int, message: str = "", **metrics: float) -> None:
        seen.append((done, total))
        said.append(message)

    exact(folder, batch_size=2).generate(REQUESTS, Sampling(4), progress)
    assert all(re.fullmatch(r"[\d,]+ tokens, [\d,]+ tokens/s", message) for message in said)
    assert seen == sorted(set(seen))
    assert seen[-1] == (len(REQUESTS), len(REQUESTS))


@pytest.mark.model
def test_the_engine_says_what_it_is(folder: Path) -> None:
    assert exact(folder).describe()["dtype"] == "float32"


@pytest.mark.model
def test_no_request_needs_no_answer(folder: Path) -> None:
    assert exact(folder).generate([], SAMPLED) == []


@given(
    batch=st.integers(1, 4),
    key_heads=st.integers(1, 3),
    groups=st.integers(1, 4),
    width=st.integers(1, 9),
    length=st.integers(1, 3),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_grouped_decoding_is_attention(
    batch: int, key_heads: int, groups: int, width: int, length: int, seed: int
) -> None:
    source = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, key_heads * groups, length, 8, generator=source)
    key, value = torch.randn(2, batch, key_heads, width, 8, generator=source)
    mask = torch.rand(batch, 1, length, width, generator=source) < 0.7
    mask[..., -1] = True
    module = torch.nn.Module()
    module.num_key_value_groups = groups
    ours, _ = grouped_decode(module, query, key, value, mask, scaling=0.3)
    theirs, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(ours, theirs)


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.2])
    numbers = uniforms(0, 4000)
    drawn = choose(probabilities.log().expand(4000, 3), numbers, Sampling(1))
    shares = torch.bincount(torch.tensor(drawn), minlength=3) / 4000
    torch.testing.assert_close(shares, probabilities, atol=0.03, rtol=0)


@given(uniform=st.floats(0, 1, exclude_max=True, width=32), top_p=st.floats(0.01, 1))
def test_a_drawn_token_lies_in_the_nucleus(uniform: float, top_p: float) -> None:
    probabilities = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    (token,) = choose(probabilities.log(), [uniform], Sampling(1, top_p=top_p))
    above = probabilities[probabilities > probabilities[0, token]].sum()
    assert above < top_p + 1e-6


def test_without_bfloat16_the_processor_computes_in_float32_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with caplog.at_level(logging.INFO):
        assert usable_dtype("bfloat16", "cpu") == "float32"
    assert "float32" in caplog.text
    assert usable_dtype("bfloat16", "cuda") == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert usable_dtype("bfloat16", "cpu") == "bfloat16"


def test_layers_with_a_recurrent_state_are_refused() -> None:
    config = SimpleNamespace(layer_types=["linear_attention", "full_attention"])
    with pytest.raises(ModelError, match="linear_attention"):
        check_layers(config, Path("qwen"))
