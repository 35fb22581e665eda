"""Each instrument tells apart what it is made for, on texts written for it: pairs.json.

`pairs`: by type, (argument, a text that fits it, one that does not). `topical`: by type, a text that belongs to each of some
values; under another value the same text does not fit.
"""

import json
from pathlib import Path

import pytest

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.instruments.instrument import Asked
from ifrl_core.instruments.table import BY_TYPE, INSTRUMENTS, in_use, measured, missing
from ifrl_core.instruments.topics import SLOTS, TOPICS
from ifrl_core.models import sentence_embedding
from ifrl_core.statistics.agreement import auc

WRITTEN = json.loads(Path(__file__).with_name("pairs.json").read_text())
PAIRS: dict[str, list[tuple[str, str, str]]] = WRITTEN["pairs"]
TOPICAL: dict[str, dict[str, str]] = WRITTEN["topical"]


def asked(type_: str, value: str, text: str) -> Asked:
    """With the arguments as the catalog has them."""
    [name] = CATALOG[type_].arguments
    return Asked(type_, CATALOG[type_].checked({name: value}), text)


@pytest.mark.parametrize("type_", PAIRS)
def test_what_fits_scores_above_what_does_not(type_: str) -> None:
    if how := BY_TYPE[type_].missing():
        pytest.skip(how)
    fitting = measured([asked(type_, value, text) for value, text, _ in PAIRS[type_]])
    other = measured([asked(type_, value, text) for value, _, text in PAIRS[type_]])
    assert len(PAIRS[type_]) >= 6
    assert all(score is not None and 0 <= score <= 1 for score in fitting + other)
    found = auc([score or 0.0 for score in fitting + other], [1] * len(fitting) + [0] * len(other))
    assert found is not None
    assert found >= 0.9


@pytest.mark.model
@pytest.mark.skipif(TOPICS.missing() is not None, reason=sentence_embedding.INSTALL)
def test_an_answer_lies_nearer_the_words_of_its_own_slot() -> None:
    items = [
        (asked(type_, value, text), own == value)
        for type_, texts in TOPICAL.items()
        for own, text in texts.items()
        for value in texts
    ]
    scores = measured([item for item, _ in items])
    for type_ in TOPICAL:
        part = [(score, int(own)) for score, (item, own) in zip(scores, items, strict=True) if item.type == type_]
        found = auc([score or 0.0 for score, _ in part], [own for _, own in part])
        assert found is not None
        assert found >= 0.95, type_
    assert measured([asked("situation:era", "ancient Rome", " ")]) == [0.0]


def test_every_type_that_is_measured_has_texts_and_one_instrument() -> None:
    assert set(BY_TYPE) == set(PAIRS) | set(TOPICAL)
    assert len(BY_TYPE) == sum(len(instrument.types) for instrument in INSTRUMENTS)
    assert all(CATALOG[type_].kind == "soft" for type_ in BY_TYPE)
    assert all(slot in CATALOG[type_].arguments for type_, slot in SLOTS.items())


def test_what_has_no_measure_is_none_and_an_empty_answer_is_no_error() -> None:
    items = [
        asked("structure:order", "from cause to effect", "A, so B."),
        asked("structure:closing", "a piece of wisdom", "B."),
    ]
    assert measured(items) == [None, None]
    own_words = Asked("rhetoric:senses", {"sense": "balance"}, "It smells of hay.")
    assert measured([own_words, Asked("rhetoric:senses", {}, "It smells of hay.")]) == [None, None]
    empty = [asked(type_, pairs[0][0], "") for type_, pairs in PAIRS.items() if BY_TYPE[type_].missing() is None]
    assert all(score is not None and 0 <= score <= 1 for score in measured(empty))
    assert measured([]) == []


def test_an_instrument_that_is_not_installed_measures_nothing_and_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_embedding, "PACKAGE", "not_installed_here")
    assert measured([asked("situation:era", "ancient Rome", "The senate met.")]) == [None]
    assert missing()["topics"] == sentence_embedding.INSTALL
    assert "instrument topics" not in in_use()
    assert "instrument grammar" in in_use()
