"""From a model's words to a catalog type: what is matched is what is said."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.instructions.writers.match import constraint_of, match_wording
from ifrl_core.instructions.writers.record import FREE
from ifrl_core.instructions.writers.reply import Proposal

SEED = "Describe the life of a lighthouse keeper."


@pytest.mark.parametrize("type_id", list(CATALOG))
def test_every_wording_of_the_catalog_is_read_back_as_what_it_asks(type_id: str) -> None:
    type_ = CATALOG[type_id]
    for wording in range(len(type_.wordings)):
        args = type_.sample(random.Random(wording), max_words=100, seed_text=SEED)
        said = type_.constraint(args, wording)
        found = match_wording(said.text, SEED)
        assert found is not None, said.text
        # A wording may belong to two types; then both must say the same.
        assert found.text.lower() == said.text.lower()
        if found.type == type_id:
            assert found.args == said.args or found.text == said.text


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
    found = constraint_of(Proposal(text), SEED)
    assert found is not None
    assert (found.type, found.args) == (type_id, args)


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
    found = constraint_of(Proposal(text), SEED)
    assert found is not None
    assert (found.type, found.kind, found.text) == (FREE, "soft", text)


def test_a_named_type_with_good_arguments_is_worded_by_the_catalog() -> None:
    asked = Proposal(
        "Keep it brief, 40 words!", "length_constraints:number_words", {"num_words": "40", "relation": "less than"}
    )
    found = constraint_of(asked, SEED)
    assert found is not None
    assert found.args == {"num_words": 40, "relation": "less than"}
    assert match_wording(found.text, SEED) == found


@pytest.mark.parametrize(
    "args", [{}, {"num_words": -3, "relation": "less than"}, {"num_words": 3.5, "relation": "at least"}]
)
def test_a_named_type_with_bad_arguments_is_not_believed(args: dict[str, object]) -> None:
    found = constraint_of(Proposal("Keep it brief, would you.", "length_constraints:number_words", args), SEED)
    assert found is not None
    assert found.kind == "soft"


@given(
    st.text(max_size=500),
    st.text(max_size=40),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text() | st.none()),
)
def test_anything_a_model_says_is_matched_or_kept_or_dropped_without_raising(
    text: str, type_id: str, args: dict[str, object]
) -> None:
    found = constraint_of(Proposal(text, type_id, args), SEED)
    assert found is None or found.text
