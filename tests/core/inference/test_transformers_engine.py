"""The embedded engine: chats go in and texts come out, in order; the decode loop has tests of its own (test_decode)."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.transformers_engine import TransformersEngine
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
GREEDY = Sampling(12, temperature=0.0)


def exact(folder: Path, **sizes: int) -> TransformersEngine:
    """In float32, where the rounding of another batch does not reach a drawn token."""
    return TransformersEngine(folder, dtype="float32", **sizes)


@pytest.mark.model
def test_greedy_answers_are_those_of_generate(model: ArtifactRef, model_store: ArtifactStore) -> None:
    folder = model_folder(model, model_store)
    completions = exact(folder, batch_size=3).generate(REQUESTS, Sampling(24, temperature=0.0))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for request, completion in zip(REQUESTS, completions, strict=True):
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
    assert {completion.finish_reason for completion in completions} == {"stop", "length"}


@pytest.mark.model
def test_answers_come_in_the_order_of_the_requests_and_the_batch_stays_within_its_budget(
    small_model_folder: Path,
) -> None:
    shapes: list[tuple[int, int]] = []
    engine = exact(small_model_folder, batch_size=4, cache_tokens=240)
    engine.decoder.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["attention_mask"].shape)), with_kwargs=True
    )
    completions = engine.generate(REQUESTS, GREEDY)  # two layers alone give flat odds, where rounding reaches a draw
    assert max(rows for rows, _ in shapes) > 1
    assert all(rows <= 4 and rows * width <= 240 for rows, width in shapes)
    assert exact(small_model_folder).generate(REQUESTS[::-1], GREEDY) == completions[::-1]
    assert len({(completion.text, completion.prompt_tokens) for completion in completions}) == len(REQUESTS)


@pytest.mark.model
def test_progress_counts_finished_requests(small_model_folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    messages: list[str] = []

    def progress(done: int, total: int, message: str = "", **metrics: float) -> None:
        seen.append((done, total))
        messages.append(message)

    exact(small_model_folder, batch_size=2).generate(REQUESTS, Sampling(4), progress)
    assert all(re.fullmatch(r"[\d,]+ tokens, [\d,]+ tokens/s", message) for message in messages)
    assert seen == sorted(set(seen))
    assert seen[-1] == (len(REQUESTS), len(REQUESTS))


@pytest.mark.model
def test_no_request_needs_no_answer(small_model_folder: Path) -> None:
    assert exact(small_model_folder).generate([], GREEDY) == []
