"""What the reward model is held against: the same pairs for all, fitted on training labels only."""

import json
from collections import Counter
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.model.template import render
from ifrl_core.reward_model.quality.baselines import by_length, compared, comparison, curves, majority, scored_by
from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.reward_model.quality.plot import curves_png
from ifrl_core.reward_model.quality.zero_shot import NO, YES, first_tokens, questions, zero_shot_probabilities

PAIRS = [
    (f"{word} " * 20, constraint) for word in ("river", "stone") for constraint in ("No commas.", "Be kind, please.")
]


def row(words: int, label: int, *, instruction: str = "i-0", verdict: bool | None = True) -> dict[str, Any]:
    return {"response": "word " * words, "label": label, "instruction_id": instruction, "verdict": verdict}


def scored(probability: float | None, verdict: bool) -> Scored:
    return Scored("l", "a:b", "hard", 1, int(verdict), verdict, probability, raw_probability=probability)


def test_the_direction_of_length_comes_from_the_training_labels() -> None:
    short_is_positive = [row(3, 1), row(5, 1), row(40, 0), row(60, 0)]
    long_is_positive = [row(3, 0), row(5, 0), row(40, 1), row(60, 1)]
    # What the validation rows say of their own labels plays no part.
    validation = [row(4, 0), row(50, 1)]
    first, second = by_length(short_is_positive, validation)
    assert first > 0.5 > second
    first, second = by_length(long_is_positive, validation)
    assert first < 0.5 < second
    assert by_length(long_is_positive, []) == []


def test_majority_says_the_share_of_positive_training_labels() -> None:
    assert majority([row(1, 1), row(1, 0), row(1, 0), row(1, 0)], [row(1, 1)] * 2) == [0.25, 0.25]


def test_whole_instructions_with_a_verdict_are_compared_up_to_a_cap() -> None:
    rows = [row(1, 1, instruction=f"i-{index // 6}", verdict=None if index % 2 else True) for index in range(60)]
    chosen = compared(rows, most=10)
    assert len(chosen) == 9
    assert set(Counter(rows[place]["instruction_id"] for place in chosen).values()) == {3}
    assert all(rows[place]["verdict"] is not None for place in chosen)
    assert compared(rows, most=1000) == list(range(0, 60, 2))
    assert compared([]) == []
    assert len(compared(rows, most=1)) == 3  # one instruction at least


def test_a_pair_that_one_scorer_cannot_score_is_left_out_of_all() -> None:
    pairs = [scored(0.9, True), scored(None, True), scored(0.2, False), scored(0.4, False)]
    found = scored_by(pairs, {"zero_shot": [0.6, 0.6, None, 0.7]})
    assert [pair.probability for pair in found["reward_model"]] == [0.9, 0.4]
    assert [pair.probability for pair in found["zero_shot"]] == [0.6, 0.7]
    figures = comparison(found, hard_pairs=7)
    assert (figures["pairs"], figures["hard_pairs"]) == (2, 7)
    assert figures["reward_model"]["auc"] == 1.0
    assert figures["zero_shot"]["auc"] == 0.0
    assert curves(found)["reward_model"]["roc"] == [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]


def test_nothing_to_compare_is_undefined_and_never_zero() -> None:
    figures = comparison(scored_by([], {"majority": []}), hard_pairs=0)
    assert figures["majority"]["auc"] is None
    assert figures["majority"]["n"] == 0
    assert curves(scored_by([], {})) == {
        name: {"roc": [], "reliability": []} for name in ("reward_model", "reward_model_raw")
    }


def test_the_picture_is_a_png_and_equal_curves_give_equal_bytes() -> None:
    drawn = curves(scored_by([scored(0.9, True), scored(0.2, False)], {"length": [0.3, 0.6]}))
    assert curves_png(drawn).startswith(b"\x89PNG")
    assert curves_png(drawn) == curves_png(json.loads(json.dumps(drawn)))
    assert curves_png(drawn) != curves_png({"reward_model": drawn["reward_model"]})
    assert curves_png({}).startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def tokenizer(model_store: ArtifactStore, model: ArtifactRef) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_folder(model, model_store))


@pytest.mark.model
def test_the_backbone_is_asked_the_templates_question_in_its_own_chat(tokenizer: PreTrainedTokenizerBase) -> None:
    [asked] = questions(tokenizer, [("Blue, like the sea.", "Answer in one word.")], 256)
    assert asked is not None
    content = render("Blue, like the sea.", "Answer in one word.") + " Yes or No?"
    chat = [{"role": "user", "content": content}]
    assert tokenizer.decode(asked.head + asked.tail) == tokenizer.apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True
    )
    assert not set(first_tokens(tokenizer, YES)) & set(first_tokens(tokenizer, NO))


@pytest.mark.model
def test_a_model_without_a_chat_template_gets_the_plain_text(tokenizer: PreTrainedTokenizerBase) -> None:
    plain = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    plain.chat_template = None
    [asked] = questions(plain, [("Blue.", "Answer in one word.")], 256)
    assert asked is not None
    assert plain.decode(asked.head + asked.tail) == render("Blue.", "Answer in one word.")


@pytest.mark.model
def test_asked_together_or_alone_the_backbone_says_the_same(model_store: ArtifactStore, model: ArtifactRef) -> None:
    folder = model_folder(model, model_store)
    together = zero_shot_probabilities(folder, PAIRS, 128)
    alone = [zero_shot_probabilities(folder, [pair], 128)[0] for pair in PAIRS[:2]]
    assert together[:2] == pytest.approx(alone, abs=0.05)  # bf16 where the processor has it
    assert all(p is not None and 0 < p < 1 for p in together)
    assert zero_shot_probabilities(folder, [("Blue.", "No commas. " * 100)], 64) == [None]
