"""Verifiers never raise on text, and cost grows linearly with its length."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import EXAMPLE, example
from ifrl_core.constraints.turns import rules_in
from ifrl_core.constraints.verdict import strict_and_loose, verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.records import Constraint
from tests.long_texts import long_texts, longer_texts

HARD = [
    type_.constraint(
        example(type_).sample(random.Random(number), max_words=60, seed_text="Describe the life of a keeper.")
    )
    for type_ in CATALOG.values()
    if type_.kind == "hard"
    for number in range(2)
]
RULES = rules_in(EXAMPLE)
MEGABYTE = 1_000_000
FURTHER = ("a b", "double quotes", "emoji", "marks", "nested brackets", "no spaces")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_any_unicode_gets_a_verdict_from_every_type(text: str) -> None:
    strict, loose = strict_and_loose(HARD, text, RULES)
    assert all(isinstance(verdict, bool) for verdict in strict + loose)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from(' \n\t*-[]<>#|`".!?a1A.)(\x00\ud800\x85\u2028'), max_size=120))
def test_markup_nulls_and_lone_surrogates_get_a_verdict_from_every_type(text: str) -> None:
    strict, loose = strict_and_loose(HARD, text, RULES)
    assert all(not s or lo for s, lo in zip(strict, loose, strict=True))  # strict implies loose


@pytest.mark.usefixtures("nothing_to_collect")
@pytest.mark.parametrize(
    ("name", "share"),
    [
        *((name, 0.25) for name in long_texts(100)),
        *(pytest.param(name, 1.0, marks=pytest.mark.soak) for name in (*long_texts(100), *FURTHER)),
    ],
)
def test_a_megabyte_is_judged_in_about_a_second_by_any_type(name: str, share: float) -> None:
    """The aim: 1 s a megabyte for each type alone on an idle core; the bound leaves room for a busy one and for noise."""
    size = round(share * MEGABYTE)
    text = (long_texts(size) | longer_texts(size))[name]
    seen: set[str] = set()
    for constraint in HARD:
        if constraint.type in seen:
            continue
        seen.add(constraint.type)
        verify(constraint.type, constraint.args, View("A word. Another one."), RULES)  # what it loads
        view, start = View(text), time.process_time()
        verify(constraint.type, constraint.args, view, RULES)
        assert time.process_time() - start < 1.5 * share, constraint.type


def test_constraints_of_one_response_share_what_they_look_at() -> None:
    counts = Constraint("length_constraints:number_sentences", "hard", "", {"num_sentences": 1, "relation": "at least"})
    strict, _ = strict_and_loose([counts, counts], "One. Two.")
    assert strict == [True, True]
