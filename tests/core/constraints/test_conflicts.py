"""Pairs that cannot, or should not, be asked together."""

from typing import Any

import pytest

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.conflicts import conflict, near_duplicates
from ifrl_core.records import Constraint


def _c(type_id: str, **args: Any) -> Constraint:
    return CATALOG[type_id].constraint(args)


FEW_WORDS = _c("length_constraints:number_words", num_words=50, relation="less than")

CONFLICTS = [
    (FEW_WORDS, _c("length_constraints:number_sentences", num_sentences=120, relation="at least")),
    (FEW_WORDS, _c("length:paragraph_sentences", num_paragraphs=6, num_sentences=20)),
    (FEW_WORDS, _c("length_constraints:number_words", num_words=80, relation="at least")),
    (
        _c("change_case:english_lowercase"),
        _c("change_case:capital_word_frequency", capital_frequency=3, capital_relation="at least"),
    ),
    (_c("detectable_format:json_format"), _c("detectable_format:title")),
    (_c("keywords:forbidden_words", forbidden_words=["sun"]), _c("keywords:existence", keywords=["Sun"])),
    (_c("keywords:letter_frequency", letter="z", let_frequency=1, let_relation="less than"),
     _c("keywords:existence", keywords=["zebra"])),
    (_c("punctuation:no_comma"), _c("startend:begin_phrase", phrase="To be honest,")),
    (_c("words:max_length", max_letters=6), _c("keywords:existence", keywords=["understanding"])),
    (_c("words:first_word", word="Today"), _c("startend:begin_phrase", phrase="Long ago,")),
    (_c("numbers:none"), _c("lists:numbered", num_items=3)),
    (_c("words:no_first_person"), _c("words:first_word", word="I")),
    (_c("length:exact_sentences", num_sentences=2), _c("detectable_format:number_bullet_lists", num_bullets=4)),
    (_c("language:response_language", language="de"), _c("keywords:existence", keywords=["sun"])),
    (_c("combination:repeat_prompt", prompt_to_repeat="Say hi."), _c("startend:quotation")),
    (_c("tone:tone", tone="warm"), _c("register:formality", formality="academic language")),
]  # fmt: skip

COMPATIBLE = [
    (FEW_WORDS, _c("detectable_format:title")),
    (_c("change_case:english_lowercase"), _c("keywords:existence", keywords=["sun"])),
    (_c("detectable_format:json_format"), _c("keywords:existence", keywords=["sun"])),
    (_c("keywords:forbidden_words", forbidden_words=["sun"]), _c("keywords:existence", keywords=["sunny"])),
    (_c("words:first_word", word="Today"), _c("words:last_word", word="home")),
    (_c("tone:tone", tone="warm"), _c("audience:reader", audience="a busy manager")),
    (_c("punctuation:no_comma"), _c("tone:tone", tone="warm")),
]


@pytest.mark.parametrize(("a", "b"), CONFLICTS)
def test_conflicting_pairs_are_found_either_way_round(a: Constraint, b: Constraint) -> None:
    assert conflict(a, b)
    assert conflict(b, a)


@pytest.mark.parametrize(("a", "b"), COMPATIBLE)
def test_compatible_pairs_are_left_alone(a: Constraint, b: Constraint) -> None:
    assert not conflict(a, b)
    assert not conflict(b, a)


def test_free_soft_constraints_conflict_only_when_they_say_nearly_the_same() -> None:
    a = Constraint("soft", "soft", "Write it as a letter to an old friend.")
    b = Constraint("soft", "soft", "Write it as a letter to an old friend!")
    c = Constraint("soft", "soft", "Mention how the weather feels.")
    assert conflict(a, b)
    assert not conflict(a, c)


def test_texts_without_words_are_no_duplicates_unless_equal() -> None:
    assert not near_duplicates("...", "!!!")
    assert near_duplicates("...", "...")


def test_near_duplicates_are_told_in_scripts_without_spaces() -> None:
    text = "春天气温升高,山上的积雪融化,雪水流进河里,水位就慢慢抬高了。"
    assert near_duplicates(text, text.replace("了。", "。"))
    assert not near_duplicates(text, "猫喜欢晒太阳,狗喜欢啃骨头。")
    assert not near_duplicates("แม่น้ำไหลลงสู่ทะเล", "แมวสองตัวนอนหลับบนหลังคา")
