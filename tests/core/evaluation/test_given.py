"""Files of answers with what they are graded by beside them: the same rows in the same order, with verdicts."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.given import (
    GivenRows,
    expected_columns,
    form_of,
    given_report,
    grade_file,
    targets,
    write_matched,
)
from ifrl_core.evaluation.suite.score import graded_by_rules

COUNT = {
    "type": "Constraint",
    "input_level": None,
    "target_level": {"level": "word"},
    "transformation": {"type": "Count"},
    "relation": {"operand": "=="},
    "reduction": {"reduction": "all"},
}
LISTED = {"instruction_id_list": ["punctuation:no_comma", "words:start_verb"], "kwargs": [{"n": None}, {}]}
FOLLOW = {"category": "content", "example_id": 1, "source": "E2E", "level": 1, "target": "a"}
ROWS: dict[str, tuple[str, list[dict[str, Any]], dict[str, list[Any]]]] = {  # benchmark, rows, columns they get
    "ifeval": (
        "ifeval",
        [
            {"instruction_id": "punctuation:no_comma", "kwargs": "{}", "prompt": "p", "response": r}
            for r in ("a, b", "a")
        ],
        {"strict": [False, True], "loose": [False, True]},
    ),
    "ifbench lists": (
        "ifbench",
        [{"key": "1", "prompt": "p", **LISTED, "response": "a\n*b, c*"}],
        {"strict": [[False, None]], "loose": [[True, None]], "strict_all": [None], "loose_all": [None]},
    ),
    "collie": (
        "collie",
        [{"constraint": COUNT, "targets": n, "text": "two words"} for n in (1, 2)],
        {"satisfied": [False, True]},
    ),
    "collie as text": (
        "collie",
        [{"constraint": json.dumps(COUNT), "targets": "2", "prompt": "p", "response": "two words"}],
        {"satisfied": [True]},
    ),
    "followbench": (
        "followbench",
        [{"lang": "en", **FOLLOW, "response": "a"}, {"lang": "en", **FOLLOW, "source": "koala", "response": "a"}],
        {"satisfied": [True, None]},
    ),
    "followbench as upstream": (
        "followbench",
        [{"instruction": "写", **FOLLOW, "source": "xsum", "response": "短。"}],
        {"satisfied": [True]},
    ),
    "bbeh": (
        "bbeh",
        [{"input": "?", "target": "(B)", "response": f"The answer is: ({x})"} for x in "AB"],
        {"correct": [False, True]},
    ),
    "gpqa": (
        "gpqa",
        [
            {
                "Question": "?",
                "Correct Answer": "4",
                **{f"Incorrect Answer {i}": "5" for i in (1, 2, 3)},
                "response": "none",
            }
        ],
        {"correct": [False]},
    ),
    "mmlu-pro": (
        "mmlu-pro",
        [{"question": "?", "options": ["a", "b"], "answer": "B", "response": f"Answer: {x}"} for x in "AB"],
        {"correct": [False, True]},
    ),
}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    packed = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(packed) if path.suffix == ".gz" else packed)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    raw = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()]


def graded(name: str, source: Path, target: Path, **how: Any) -> GivenRows:
    form = form_of(BENCHMARKS[name], str(source))
    assert form is not None
    return grade_file(BENCHMARKS[name], form, source, target, **how)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
@pytest.mark.parametrize("case", ROWS)
def test_rows_come_back_in_order_with_their_verdicts(tmp_path: Path, case: str, suffix: str) -> None:
    name, rows, columns = ROWS[case]
    source = written(tmp_path / "in.jsonl.gz", rows)
    graded(name, source, tmp_path / f"out{suffix}")
    found = read(tmp_path / f"out{suffix}")
    assert {column: [row[column] for row in found] for column in columns} == columns
    if suffix != ".parquet":
        assert [{name: row[name] for name in rows[0]} for row in found] == rows
    again = graded(name, tmp_path / f"out{suffix}", tmp_path / "again.jsonl")  # what is written can be read
    assert {column: [row[column] for row in read(tmp_path / "again.jsonl")] for column in columns} == columns
    assert again.changed in (0, None)


def test_a_row_that_cannot_be_graded_says_why_and_the_others_are(tmp_path: Path) -> None:
    fine = {"constraint": json.dumps(COUNT), "targets": "2", "response": "two words"}
    rows = [
        fine,
        {**fine, "response": None},
        {**fine, "constraint": "{"},
        {**fine, "constraint": "{}"},
        {**fine, "text": 1},
    ]
    result = graded("collie", written(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet")
    found = read(tmp_path / "out.parquet")
    assert [row["satisfied"] for row in found] == [True, None, None, None, True]
    assert [row["unscored"] for row in found] == [
        None,
        "field 'response' is null; expected text",
        "field 'constraint' is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        "not a row of this benchmark (KeyError: 'type')",
        None,
    ]
    assert result.figures()["metrics"]["satisfied"]["unscored"] == sum(result.unscored.values()) == 3


def test_the_reason_is_a_column_only_when_there_is_one(tmp_path: Path) -> None:
    name, rows, _ = ROWS["bbeh"]
    table = pa.Table.from_pylist([{**row, "correct": False, "a.b": 1} for row in rows])
    pq.write_table(table, tmp_path / "in.parquet")
    result = graded(name, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["input", "target", "response", "a.b", "correct"]
    assert found.drop_columns(["correct"]).equals(table.drop_columns(["correct"]))
    assert (result.changed, sorted(path.name for path in tmp_path.iterdir())) == (1, ["in.parquet", "out.parquet"])


def test_reasoning_is_cut_off_and_only_the_first_rows_are_graded(tmp_path: Path) -> None:
    rows = [{**ROWS["ifeval"][1][0], "response": "<think>a, b</think>c"}] * 700  # more than a batch
    graded("ifeval", written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", limit=600)
    assert [row["strict"] for row in read(tmp_path / "out.jsonl")] == [True] * 600


def test_other_columns_are_none_of_the_forms_and_the_error_says_which_are(tmp_path: Path) -> None:
    path = written(tmp_path / "in.jsonl", [{"prompt": "p", "response": "a"}])
    assert form_of(BENCHMARKS["collie"], str(path)) is None
    assert expected_columns(BENCHMARKS["collie"]).startswith(
        "constraint, targets and response or text; or response (of several turns: responses) and"
    )
    assert form_of(BENCHMARKS["collie"], str(tmp_path / "none.jsonl")) is None


def test_where_rows_go(tmp_path: Path) -> None:
    suite, files = BENCHMARKS["bbeh"], ["d/a.jsonl.gz", "d/a.b.parquet"]
    assert targets(suite, files, None) == [Path("d/a-graded.jsonl.gz"), Path("d/a.b-graded.parquet")]
    assert targets(suite, files, tmp_path) == [tmp_path / "0-a-bbeh.jsonl.gz", tmp_path / "1-a.b-bbeh.parquet"]
    assert targets(suite, files[:1], Path("o.parquet")) == [Path("o.parquet")]
    with pytest.raises(InputError, match=r"o\.parquet: is one file for the rows of 2"):
        targets(suite, files, Path("o.parquet"))


def test_files_of_other_rows_are_not_compared(tmp_path: Path) -> None:
    suite, rows = BENCHMARKS["bbeh"], ROWS["bbeh"][1]
    sources = [written(tmp_path / f"{n}.jsonl", some) for n, some in enumerate((rows, rows[::-1], rows[:1]))]
    files = [(str(path), suite.answered[0], tmp_path / f"out-{path.name}") for path in sources]
    report = given_report(suite, files[:2], grade_file)
    assert report["differences"][files[1][0]]["metrics"]["accuracy"]["mean"] == 0.0
    with pytest.raises(InputError, match=r"2\.jsonl: holds other rows than .*0\.jsonl"):
        given_report(suite, files, grade_file)


def test_answers_matched_with_rows_get_their_verdicts_too(tmp_path: Path) -> None:
    suite = BENCHMARKS["ifeval"]
    row = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    items = suite.read(str(written(tmp_path / "rows.jsonl", [{"key": k, "prompt": f"p{k}", **row} for k in (1, 2)])))
    answers = written(tmp_path / "a.jsonl", [{"prompt": "p2", "response": "a"}, {"key": 1, "response": "a, b"}])
    write_matched(suite, answers, tmp_path / "out.jsonl", graded_by_rules(suite, items, ["a, b", "a"]))
    assert [row["strict_all"] for row in read(tmp_path / "out.jsonl")] == [True, False]


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "in.jsonl.gz", ROWS["bbeh"][1])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"in\.jsonl\.gz: not a readable gzip file"):
        graded("bbeh", path, tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl.gz"]
