"""The catalog as a whole, and its page."""

from dataclasses import replace
from pathlib import Path

import pytest

from ifrl_core.constraints.catalog import TURN_FAMILIES
from ifrl_core.constraints.catalog.hard.ifeval_format_rules import RULES as IFEVAL_FORMAT
from ifrl_core.constraints.catalog.hard.ifeval_words_rules import RULES as IFEVAL_WORDS
from ifrl_core.constraints.catalog.registry import CATALOG, FAMILIES
from ifrl_core.constraints.listing import catalog_markdown, constraints_table
from ifrl_core.constraints.sampling import catalog_digest

DOCS = Path(__file__).parents[3] / "docs" / "constraints.md"


def test_the_catalog_is_as_broad_as_promised() -> None:
    hard = [type_ for type_ in CATALOG.values() if type_.kind == "hard"]
    soft = [type_ for type_ in CATALOG.values() if type_.kind == "soft"]
    assert len(IFEVAL_WORDS) + len(IFEVAL_FORMAT) == 25
    assert len(hard) >= 50
    assert len(soft) >= 25
    assert sum(map(len, (*FAMILIES, *TURN_FAMILIES))) == len(CATALOG)  # no id twice


def test_hard_types_have_a_rule_and_a_witness_and_soft_ones_neither() -> None:
    for type_ in CATALOG.values():
        hard = type_.kind == "hard"
        assert (type_.rule is not None) == (type_.witness is not None) == hard, type_.id


def test_the_documentation_page_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == catalog_markdown(), "write catalog_markdown() to docs/constraints.md"


def test_the_table_filters_by_text_and_kind() -> None:
    assert {row["kind"] for row in constraints_table(kind="soft")} == {"soft"}
    assert [row["id"] for row in constraints_table("double angular")] == ["detectable_format:title"]


def test_the_digest_follows_what_a_type_says_and_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    before, others = catalog_digest(), catalog_digest(["tone:"])
    assert catalog_digest() == before
    no_comma = CATALOG["punctuation:no_comma"]
    monkeypatch.setitem(CATALOG, no_comma.id, replace(no_comma, wordings=(*no_comma.wordings, "Leave out commas.")))
    assert catalog_digest() != before
    assert catalog_digest(["tone:"]) == others
    monkeypatch.setitem(CATALOG, no_comma.id, no_comma)
    words = CATALOG["length_constraints:number_words"]
    drawn = replace(words, draw=lambda draw: {"relation": "at least", "num_words": 7})
    monkeypatch.setitem(CATALOG, words.id, drawn)
    assert catalog_digest() != before
