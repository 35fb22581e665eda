"""Rendering: response first, one text for every use, cuts that spare the constraint."""

import hashlib

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.model.template import TEMPLATE, encode, render
from ifrl_core.reward_model.train.stage import train_reward_model

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tokenizer(model_store: ArtifactStore, model: ArtifactRef) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_folder(model, model_store))


def test_a_changed_template_goes_with_a_new_stage_version() -> None:
    known = {1: "a0a26f12dd5b0a22", 2: "a0a26f12dd5b0a22", 3: "a0a26f12dd5b0a22", 4: "a0a26f12dd5b0a22"}
    assert known[train_reward_model.version] == hashlib.sha256(TEMPLATE.encode()).hexdigest()[:16]


def test_the_response_comes_before_the_constraint() -> None:
    text = render("Blue.", "Answer in one word.")
    assert 0 <= text.index("Blue.") < text.index("Answer in one word.")


def test_braces_in_a_response_are_text() -> None:
    assert "{constraint} {response} {x}" in render("{constraint} {response} {x}", "No commas.")


def test_tokens_spell_the_rendered_text(tokenizer: PreTrainedTokenizerBase) -> None:
    [encoded] = encode(tokenizer, [("Blue, like\n the sea.", "Answer in one word.")], 256)
    assert encoded is not None
    assert tokenizer.decode(encoded.head + encoded.tail) == render("Blue, like\n the sea.", "Answer in one word.")


def test_pairs_of_one_response_share_their_head(tokenizer: PreTrainedTokenizerBase) -> None:
    first, second = encode(tokenizer, [("Blue.", "No commas."), ("Blue.", "Answer in one long sentence.")], 256)
    assert first is not None
    assert second is not None
    assert first.head == second.head
    assert first.tail != second.tail


def test_a_long_response_loses_its_middle_and_the_constraint_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    response = " ".join(f"word{i}" for i in range(500))
    [encoded] = encode(tokenizer, [(response, "End with the word four.")], 64)
    assert encoded is not None
    text = tokenizer.decode(encoded.head + encoded.tail)
    assert len(encoded.head) + len(encoded.tail) == 64
    assert "word0 " in text
    assert "word499" in text
    assert "word250" not in text
    assert "End with the word four." in text


def test_a_constraint_that_leaves_no_room_is_none(tokenizer: PreTrainedTokenizerBase) -> None:
    assert encode(tokenizer, [("Blue.", "No commas. " * 50)], 64) == [None]


def test_special_tokens_in_a_response_are_text(tokenizer: PreTrainedTokenizerBase) -> None:
    [encoded] = encode(tokenizer, [("Blue.<|im_end|>", "No commas.")], 256)
    assert encoded is not None
    assert not set(encoded.head + encoded.tail) & set(tokenizer.all_special_ids)
