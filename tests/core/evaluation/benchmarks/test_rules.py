"""Agreement of the outside benchmarks' rules with their official checkers, on recorded verdicts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.check import check_file
from ifrl_core.constraints.verdict import loose_views
from ifrl_core.constraints.verifiers.rule import Rule, checked_arguments
from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.rules import collie, followbench, text
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import OFFICIAL, RULES, UNSCORED, rules

GOLDEN = Path(__file__).parents[5] / "shared" / "golden"
BROKEN = {"repeat:repeat_span", "format:line_indent"}
recorded = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden verdicts are not beside this checkout")


def rows(name: str) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(GOLDEN / f"{name}.parquet").iter_batches():
        yield from batch.to_pylist()


def strict_and_loose(rule: Rule, row: dict[str, Any]) -> tuple[bool, bool]:
    arguments = checked_arguments(row["instruction_id"], rule.arguments, json.loads(row["kwargs"]))
    view = View(row["response"])
    strict = bool(view.stripped) and rule.check(view, **arguments)
    return strict, strict or any(rule.check(other, **arguments) for other in loose_views(row["response"]))


@recorded
@pytest.mark.parametrize("name", ["ifbench_verdicts", "ifbench_quirks"])
def test_ifbench_as_upstream_equals_every_official_verdict(name: str) -> None:
    wrong = [
        (row["instruction_id"], row["response"][:80])
        for row in rows(name)
        if strict_and_loose(OFFICIAL[row["instruction_id"]], row) != (row["strict"], row["loose"])
    ]
    assert wrong == []


@recorded
def test_where_two_checkers_of_ifbench_are_broken_the_words_of_the_prompt_count() -> None:
    quirks = [row for row in rows("ifbench_quirks") if row["instruction_id"] in BROKEN]
    verdicts = [strict_and_loose(RULES[row["instruction_id"]], row)[0] for row in quirks]
    assert len(quirks) >= 17
    assert verdicts == [row["plain"] for row in quirks]
    assert {name for name in RULES if RULES[name] is not OFFICIAL[name]} == BROKEN


@recorded
def test_the_words_agree_with_every_other_official_verdict_of_the_two() -> None:
    others = [row for row in rows("ifbench_verdicts") if row["instruction_id"] in BROKEN]
    verdicts = [strict_and_loose(RULES[row["instruction_id"]], row) for row in others]
    assert len(others) > 200
    assert verdicts == [(row["strict"], row["loose"]) for row in others]


def test_ifbench_has_58_types() -> None:
    assert len(RULES.keys() | UNSCORED) == 58


@recorded
def test_collie_equals_the_official_verdicts_but_for_quotes_asked_for_as_words() -> None:
    wrong = [
        row["group"]
        for row in rows("collie_verdicts")
        if collie.satisfied(json.loads(row["constraint"]), json.loads(row["targets"]), row["text"]) != row["satisfied"]
    ]
    assert wrong == ["guten_c07"] * 2


@recorded
def test_followbench_equals_every_official_verdict() -> None:
    fields = ("lang", "category", "example_id", "source", "level", "target", "response")
    wrong = [
        (row["source"], row["level"], row["response"][:80])
        for row in rows("followbench_rules")
        if followbench.satisfied(*(row[field] for field in fields)) is not row["satisfied"]
    ]
    assert wrong == []


ODD = st.text(st.sampled_from("aA1 \n\t.?!,;:\"'`*-_()[]{}<>/|=é中か😀\u200d\ufe0f\u0301\r\x00\ud800"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(ODD)
def test_words_cut_one_by_one_are_those_of_nltk(response: str) -> None:
    for sentence in split_sentences(response):
        assert list(text.sentence_tokens(sentence)) == text._tokenizer().tokenize(sentence)


@recorded
def test_check_knows_the_types_of_ifbench(tmp_path: Path) -> None:
    source, target = tmp_path / "responses.jsonl", tmp_path / "checked.jsonl"
    quirks = list(rows("ifbench_quirks"))
    source.write_text("".join(json.dumps(row) + "\n" for row in quirks))
    assert check_file(source, target, rules=rules(official=True)).changed == 0
    assert check_file(source, target, rules=rules()).changed == sum(row["instruction_id"] in BROKEN for row in quirks)
    source.write_text(json.dumps({"instruction_id": "words:start_verb", "kwargs": None, "response": "Go."}))
    with pytest.raises(
        InputError, match="row 1, field 'instruction_id': 'words:start_verb' needs a part-of-speech tagger"
    ):
        check_file(source, target, rules=rules())
