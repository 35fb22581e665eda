"""Constraints sampled from the catalog."""

import random
import re
from itertools import combinations

import pytest

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.conflicts import conflict
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.turn_types import example
from ifrl_core.errors import ConstraintError

SEED = "Describe the life of a lighthouse keeper."


def test_equal_random_sources_give_equal_constraints() -> None:
    assert sample_constraints(SEED, 5, random.Random(7)) == sample_constraints(SEED, 5, random.Random(7))


def test_no_two_sampled_constraints_conflict() -> None:
    for number in range(200):
        constraints = sample_constraints(SEED, 5, random.Random(number), hard_share=0.7, max_words=60)
        assert len(constraints) == 5
        assert not any(conflict(a, b) for a, b in combinations(constraints, 2))


def test_only_the_chosen_types_and_families_are_sampled() -> None:
    constraints = sample_constraints(SEED, 4, random.Random(0), types=["tone:", "punctuation:no_comma"])
    assert {c.type for c in constraints} <= {"punctuation:no_comma"} | {t for t in CATALOG if t.startswith("tone:")}


def test_hard_share_zero_and_one_give_one_kind() -> None:
    assert {c.kind for c in sample_constraints(SEED, 5, random.Random(1), hard_share=1.0)} == {"hard"}
    assert {c.kind for c in sample_constraints(SEED, 5, random.Random(1), hard_share=0.0)} == {"soft"}


def test_a_short_length_budget_keeps_word_counts_short() -> None:
    words = CATALOG["length_constraints:number_words"]
    for number in range(100):
        assert words.sample(random.Random(number), max_words=40)["num_words"] <= 40


def test_unknown_type_is_named() -> None:
    with pytest.raises(ConstraintError, match="no_such"):
        sample_constraints(SEED, 1, random.Random(0), types=["no_such"])


def test_every_wording_of_every_type_renders() -> None:
    for type_ in CATALOG.values():
        assert len(set(type_.wordings)) == len(type_.wordings) >= (6 if type_.kind == "hard" else 8), type_.id
        for number in range(len(type_.wordings)):
            args = example(type_).sample(random.Random(number), max_words=60, seed_text=SEED)
            text = type_.constraint(args, number).text
            assert not re.search(r"{\w*}", text), text
            assert text == text.strip()
            assert "\n" not in text
