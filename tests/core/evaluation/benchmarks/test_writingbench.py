"""WritingBench: a question a criterion, scores as they are, subsets of a requirement apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ
from ifrl_core.evaluation.benchmarks.writingbench import REQUIREMENTS, WRITINGBENCH, read
from ifrl_core.evaluation.suite.benchmark import Question
from ifrl_core.evaluation.suite.score import GradedItem, figures
from tests.core.evaluation.benchmarks.grading import graded

DATA = Path(__file__).parents[5] / "shared" / "data" / "bench" / "writingbench"


def criterion(name: str) -> dict[str, str]:
    levels = {level: f"{name} at {level}" for level in ("1-2", "3-4", "5-6", "7-8", "9-10")}
    return {"name": name, "criteria_description": f"all about {name}", **levels}


def written(path: Path, names: tuple[str, ...] = ("tone", "facts"), **fields: Any) -> str:
    row = {"index": 3, "domain1": "Education", "domain2": "Essay", "lang": "en", "query": "Write an essay."}
    path.write_text(json.dumps({**row, "checklist": [criterion(name) for name in names], **fields}) + "\n")
    return str(path)


def test_each_criterion_is_a_question_and_its_score_a_mark(tmp_path: Path) -> None:
    (item,) = read(written(tmp_path / "benchmark_all.jsonl"))
    assert item.slices == {"domain": "Education", "lang": "en"}

    def reply(question: Question) -> str:
        assert question.fields["response"] == "An essay."
        return '{"reason": "plain", "score": 7}' if "tone" in question.fields["criterion"] else "a fine text"

    result = graded(WRITINGBENCH, item, "An essay.", reply)
    assert (result.marks, result.notes) == ({"score": [7.0, None]}, {NOT_READ: 1})
    found = figures(WRITINGBENCH, [GradedItem(item, "An essay.", result)])
    score = found["metrics"]["score"]
    assert (score["mean"], score["n"], score["unscored"], score["unit"]) == (7.0, 1, 1, "score")
    assert found["slices"]["domain"]["Education"]["score"]["mean"] == 7.0
    assert found["metrics"]["style"]["mean"] is None


def test_a_subset_gives_its_requirements_figure(tmp_path: Path) -> None:
    (item,) = read(written(tmp_path / "length_subset_C.jsonl", ("words",)))
    assert graded(WRITINGBENCH, item, "", lambda question: '{"score": 2}').marks == {"length": [2.0]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"checklist": []}, "row 1: field 'checklist' is empty"),
        ({"checklist": ["tone"]}, "row 1: a criterion is str; expected an object"),
        ({"checklist": [{"name": "tone"}]}, "row 1: field 'criteria_description' is missing"),
        ({"index": None}, "row 1: field 'index' is NoneType"),
    ],
)
def test_rows_that_are_none_of_writingbench_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path / "rows.jsonl", **fields))


@pytest.mark.skipif(not DATA.exists(), reason="the benchmark's rows are not beside this checkout")
def test_every_row_is_read_and_graded() -> None:
    items = read(str(DATA / "benchmark_all.jsonl.gz"))
    assert (len(items), sum(item.slices["lang"] == "zh" for item in items)) == (1_000, 445)
    assert all(len(item.row["criteria"]) == 5 for item in items)
    assert max(len(item.prompt) for item in items) == 31_135
    subsets = {name: read(str(DATA / f"{name}_subset_C.jsonl.gz")) for name in REQUIREMENTS}
    assert {name: len(of) for name, of in subsets.items()} == {"style": 442, "format": 498, "length": 222}
    for reply in ("nonsense", None, '{"score": 10}'):
        for item in [*items[::50], *(item for of in subsets.values() for item in of[::50])]:
            marks = graded(WRITINGBENCH, item, "A text.", lambda question, reply=reply: reply).marks
            expected = 10.0 if reply == '{"score": 10}' else None
            assert marks == {item.row["metric"]: [expected] * len(item.row["criteria"])}
