"""From a model's words to a catalog type: what is matched is what is said."""

import doctest
import random
import re
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.instructions.writers import candidates, canonical, match
from ifrl_core.instructions.writers.match import constraint_of, match_wording
from ifrl_core.instructions.writers.record import FREE
from ifrl_core.instructions.writers.reply import Proposal

SEED = "Describe the life of a lighthouse keeper."


@pytest.mark.parametrize("type_id", [type_.id for type_ in chosen_types(None)])
def test_every_wording_of_the_catalog_is_read_back_as_what_it_asks(type_id: str) -> None:
    type_ = CATALOG[type_id]
    for wording in range(len(type_.wordings)):
        args = type_.sample(random.Random(wording), max_words=100, seed_text=SEED)
        worded = type_.constraint(args, wording)
        constraint = match_wording(worded.text, SEED)
        assert constraint is not None, worded.text
        # A wording may belong to two types; then both must say the same.
        assert constraint.text.lower() == worded.text.lower()
        if constraint.type == type_id:
            assert constraint.args == worded.args or constraint.text == worded.text


@pytest.mark.parametrize(
    ("text", "type_id", "args"),
    [
        ("Do not use any commas in your response", "punctuation:no_comma", {}),
        (
            "- The response should contain at least three sentences.",
            "length_constraints:number_sentences",
            {"num_sentences": 3, "relation": "at least"},
        ),
        (
            "Answer with fewer than 50 words.",
            "length_constraints:number_words",
            {"num_words": 50, "relation": "less than"},
        ),
    ],
)
def test_other_peoples_ways_of_saying_it_are_matched(text: str, type_id: str, args: dict[str, object]) -> None:
    constraint = constraint_of(Proposal(text), SEED)
    assert constraint is not None
    assert (constraint.type, constraint.args) == (type_id, args)


@pytest.mark.parametrize(
    "text",
    [
        "Use no commas, except in the last line.",
        "Mention the sea and the storm.",
        "Answer in about 50 words.",
        "Answer with fewer than fifty-odd words.",
    ],
)
def test_what_no_rule_checks_stays_soft_in_the_models_words(text: str) -> None:
    constraint = constraint_of(Proposal(text), SEED)
    assert constraint is not None
    assert (constraint.type, constraint.kind, constraint.text) == (FREE, "soft", text)


def test_a_named_type_with_good_arguments_is_worded_by_the_catalog() -> None:
    proposal = Proposal(
        "Keep it brief, 40 words!", "length_constraints:number_words", {"num_words": "40", "relation": "less than"}
    )
    constraint = constraint_of(proposal, SEED)
    assert constraint is not None
    assert constraint.args == {"num_words": 40, "relation": "less than"}
    assert match_wording(constraint.text, SEED) == constraint


@pytest.mark.parametrize(
    "args", [{}, {"num_words": -3, "relation": "less than"}, {"num_words": 3.5, "relation": "at least"}]
)
def test_a_named_type_with_bad_arguments_is_not_believed(args: dict[str, object]) -> None:
    constraint = constraint_of(Proposal("Keep it brief, would you.", "length_constraints:number_words", args), SEED)
    assert constraint is not None
    assert constraint.kind == "soft"


@given(
    st.text(max_size=500),
    st.text(max_size=40),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text() | st.none()),
)
def test_anything_a_model_says_is_matched_or_kept_or_dropped_without_raising(
    text: str, type_id: str, args: dict[str, object]
) -> None:
    constraint = constraint_of(Proposal(text, type_id, args), SEED)
    assert constraint is None or constraint.text


WORDINGS = [wording for type_ in chosen_types(None) for wording in type_.wordings]
PIECES = st.sampled_from(
    ["3", "three", "-1", "99999999999", "1.5", '"', "“sea”", "and", ",", "<<", "{", "*", "\0", "at least", SEED]
)


@given(st.sampled_from(WORDINGS), st.lists(PIECES | st.text(max_size=5), max_size=4), st.text(max_size=60))
def test_what_is_matched_says_what_was_said(wording: str, fillings: list[str], seed_text: str) -> None:
    text = "".join(
        literal + filling for literal, filling in zip(re.split("{.*?}", wording), [*fillings, *[""] * 9], strict=False)
    )
    constraint = match_wording(text, seed_text)
    if constraint is not None:
        assert canonical.canonical(constraint.text).lower() == canonical.canonical(text).lower()
        CATALOG[constraint.type].checked(constraint.args)


@pytest.mark.parametrize("module", [match, canonical, candidates])
def test_the_examples_at_the_head_hold(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
