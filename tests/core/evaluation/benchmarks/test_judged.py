"""What holds of every benchmark with a judge: no answer and no reply makes grading raise, and nothing unread is a verdict."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.evaluation.benchmarks.replies import NOT_READ
from ifrl_core.evaluation.benchmarks.rules.followbench import satisfied
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.evaluation.suite.benchmark import Item
from tests.core.evaluation.benchmarks.grading import graded
from tests.core.evaluation.benchmarks.test_cfbench import CRITERIA
from tests.core.evaluation.benchmarks.test_complexbench import point, row
from tests.core.evaluation.benchmarks.test_followbench import ladder
from tests.core.evaluation.benchmarks.test_writingbench import criterion

ROWS: dict[str, list[dict[str, Any]]] = {
    "cfbench": [{"prompt": "Write.", "criteria": CRITERIA}],
    "followbench": ladder(),
    "complexbench": [row(point(0), point(1, "length:[1,9]", (0,)), point(2, "model_length_each:[1,9]"))],
    "writingbench": [{"index": 1, "query": "Write.", "checklist": [criterion("tone")]}],
}
NOT_VERDICTS = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)).map(
        json.dumps
    ),
    st.dictionaries(st.sampled_from(["1", "2", "score", "verdict", "spans"]), st.none() | st.integers()).map(
        json.dumps
    ),
)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Item]:
    folder: Path = tmp_path_factory.mktemp("rows")
    read = {}
    for name, rows in ROWS.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
        read[name] = BENCHMARKS[name].read(str(folder / f"{name}.json"))[-1]
    return read


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(ROWS)), st.text(max_size=30), NOT_VERDICTS)
def test_no_answer_and_no_reply_makes_grading_raise(
    items: dict[str, Item], name: str, answer: str, reply: str | None
) -> None:
    result = graded(BENCHMARKS[name], items[name], answer, lambda question: reply)
    marks = [mark for of_metric in result.marks.values() for mark in of_metric]
    top = 10 if name == "writingbench" else 1
    assert all(mark is None or 0 <= mark <= top for mark in marks)
    assert (None in marks) == (NOT_READ in result.notes)
    json.dumps([dict(result.marks), dict(result.notes), list(result.verdicts), dict(result.parts)])


@pytest.mark.parametrize("name", sorted(ROWS))
def test_without_replies_nothing_is_scored(items: dict[str, Item], name: str) -> None:
    marks = graded(BENCHMARKS[name], items[name], "An answer.", lambda question: None).marks
    assert {mark for of_metric in marks.values() for mark in of_metric} == {None}


def test_every_benchmark_with_a_judge_says_what_is_odd_and_has_its_template() -> None:
    for benchmark in BENCHMARKS.values():
        if "judge" in benchmark.needs and benchmark.name in ROWS:
            assert all((benchmark.odd, benchmark.licence, benchmark.source))
            assert benchmark.name in templates().texts
        assert all(anchor.metric in [metric.name for metric in benchmark.metrics] for anchor in benchmark.anchors)


@pytest.mark.usefixtures("nothing_to_collect")
def test_a_megabyte_is_graded_in_linear_time() -> None:
    started = time.process_time()
    assert satisfied("en", "format", "30", "koala", 2, "", "**" + "1" * 1_000_000) is False
    assert time.process_time() - started < 1
