"""Witnesses: every hard type has a text that satisfies it, and so has every sampled set."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.satisfy import witness_of
from ifrl_core.constraints.turn_types import EXAMPLE, TurnType, example
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.records import Constraint

SEED = "Should children learn chess at school?"
HARD = [type_.id for type_ in CATALOG.values() if type_.kind == "hard"]
PLAIN = [type_id for type_id in HARD if not isinstance(CATALOG[type_id], TurnType)]


@pytest.mark.parametrize("type_id", HARD)
def test_every_hard_type_has_a_witness_for_sampled_arguments(type_id: str) -> None:
    type_ = example(CATALOG[type_id])
    for number in range(12):
        args = type_.sample(random.Random(number), max_words=(30, 60, 200)[number % 3], seed_text=SEED)
        constraint = type_.constraint(args)
        witness = witness_of([constraint], EXAMPLE)
        assert witness is not None, args
        assert verdicts_in(EXAMPLE, [constraint], witness) == [True]


def test_sampled_sets_of_hard_constraints_have_a_witness() -> None:
    for number in range(120):
        rng = random.Random(number)
        constraints = sample_constraints(SEED, 5, rng, hard_share=1.0, max_words=rng.choice([40, 60, 120]))
        assert len(constraints) >= 4
        assert witness_of(constraints) is not None


def test_contradicting_constraints_have_no_witness() -> None:
    lower = Constraint("change_case:english_lowercase", "hard", "Lowercase.")
    capitals = CATALOG["change_case:capital_word_frequency"].constraint(
        {"capital_frequency": 3, "capital_relation": "at least"}
    )
    assert witness_of([lower, capitals]) is None


def test_soft_constraints_do_not_stand_in_the_way_of_a_witness() -> None:
    soft = CATALOG["tone:tone"].constraint({"tone": "warm"})
    assert witness_of([soft, CATALOG["punctuation:no_comma"].constraint({})]) is not None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.integers(0, 10_000)), max_size=5), st.sampled_from([15, 60, 250]))
def test_a_witness_passes_every_verifier_or_there_is_none(drawn: list[tuple[str, int]], max_words: int) -> None:
    constraints = [
        CATALOG[type_id].constraint(CATALOG[type_id].sample(random.Random(number), max_words=max_words, seed_text=SEED))
        for type_id, number in drawn
    ]
    witness = witness_of(constraints)
    assert witness == witness_of(constraints)
    assert witness is None or all(verify(c.type, c.args, View(witness)) for c in constraints)
