"""The suite's benchmarks: rows as upstream writes them, answers of a file, figures, and what is refused."""

import gzip
import json
import string
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS, benchmark_named
from ifrl_core.evaluation.suite.benchmark import Item, asked
from ifrl_core.evaluation.suite.compare import compared
from ifrl_core.evaluation.suite.score import figures, graded_by_rules, responses_of

BENCH = Path(__file__).parents[4] / "shared" / "data" / "bench"
FILES = [
    ("ifbench", "ifbench/IFBench_test.jsonl", 300),
    ("collie", "collie/collie_v1.jsonl.gz", 2_080),
    *(
        ("followbench", f"followbench/{lang}/{kind}_constraints.json", None)
        for lang in ("en", "zh")
        for kind in ("content", "example", "format", "mixed", "situation", "style")
    ),
    ("bbeh", "bbeh/mini_data.json", 460),
    ("aime", "aime24/test.jsonl", 30),
]
IFEVAL_ROWS = [
    {"key": 1, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"n": None}]},
    {"key": 2, "prompt": "Also none.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.skipif(not BENCH.exists(), reason="the benchmarks' rows are not beside this checkout")
@pytest.mark.parametrize(("name", "file", "rows"), FILES)
def test_every_row_of_a_real_file_is_read_and_graded(name: str, file: str, rows: int | None) -> None:
    suite = BENCHMARKS[name]
    items = suite.read(str(BENCH / file))
    assert rows is None or len(items) == rows
    assert len({item.id for item in items}) == len(items)
    some = items[:: max(1, len(items) // 100)]
    result = figures(suite, graded_by_rules(suite, some, ["The answer is: (B)."] * len(some)))
    metric = result["metrics"][suite.metrics[0].name]
    assert metric["n"] + metric["unscored"] == len(some)


@pytest.mark.skipif(not BENCH.exists(), reason="the benchmarks' rows are not beside this checkout")
def test_collies_human_examples_satisfy_2060_of_2080() -> None:
    lines = gzip.decompress((BENCH / "collie" / "collie_v1.jsonl.gz").read_bytes()).splitlines()
    rows = [json.loads(line) for line in lines]
    items = BENCHMARKS["collie"].read(str(BENCH / "collie" / "collie_v1.jsonl.gz"))
    marks = graded_by_rules(BENCHMARKS["collie"], items, [row["example"] for row in rows])
    assert sum(row.marks["satisfied"] == [1.0] for row in marks) == 2_060


def test_answers_of_a_file_are_graded_whatever_their_order(tmp_path: Path) -> None:
    suite = BENCHMARKS["ifeval"]
    items = suite.read(written(tmp_path / "rows.jsonl", IFEVAL_ROWS))
    path = written(tmp_path / "a.jsonl", [{"prompt": "Also none.", "response": "a, b"}, {"key": 1, "response": "fine"}])
    rows = graded_by_rules(suite, items, responses_of(path, items))
    assert figures(suite, rows)["metrics"]["prompt_strict"] == {
        "mean": 0.5,
        "low": 0.0,
        "high": 1.0,
        "clusters": 2,
        "n": 2,
        "unscored": 0,
        "unit": "share",
    }
    better = graded_by_rules(suite, items, ["fine", "<think>a, b</think>fine"])
    assert compared(suite, rows, better)["metrics"]["prompt_strict"]["mean"] == 50.0


def test_rows_that_share_a_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 rows of the benchmark have the key of another"):
        responses_of(written(tmp_path / "a.jsonl", []), [Item("1", asked("a"), {}), Item("1", asked("b"), {})])


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"id": "7", "response": ""}], "a.jsonl row 1: its id, key or prompt is none of the benchmark's"),
        ([{"id": "1", "response": 3}], "field 'response' is int; expected str"),
        ([{"id": "1", "response": ""}] * 2, "'1' is answered twice"),
        ([{"id": "1", "response": ""}], "1 rows of the benchmark have no answer, first '2'"),
    ],
)
def test_answers_that_do_not_fit_are_refused(tmp_path: Path, answers: list[dict[str, Any]], message: str) -> None:
    items = [Item("1", asked("a"), {}), Item("2", asked("b"), {})]
    with pytest.raises(InputError, match=message):
        responses_of(written(tmp_path / "a.jsonl", answers), items)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("ifeval", {"prompt": "a"}, "row 1: field 'instruction_id_list' is missing; expected list"),
        (
            "ifbench",
            {"prompt": "a", "instruction_id_list": ["count:nothing"], "kwargs": [{}]},
            "no verifier has the id",
        ),
        ("collie", {"structure": "c01"}, "field 'constraint' is missing; expected dict"),
        ("followbench", {"level": 9}, "field 'level' is 9; expected 0 to 5"),
        ("bbeh", {"input": "a"}, "field 'target' is missing"),
        ("gpqa", {"Question": "a"}, "field 'Correct Answer' is missing"),
        (
            "mmlu-pro",
            {"question": "a", "options": ["b"], "answer": "C"},
            "field 'answer' is 'C'; expected a letter of A",
        ),
    ],
)
def test_rows_that_are_not_of_the_benchmark_are_refused(
    tmp_path: Path, name: str, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"examples": [row]} if name == "bbeh" else [row]))
    with pytest.raises(InputError, match=message):
        BENCHMARKS[name].read(str(path))


def test_unknown_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark is called 'ifbenhc'; expected one of ifeval, ifbench"):
        benchmark_named("ifbenhc")
    with pytest.raises(InputError, match="cannot be opened"):
        BENCHMARKS["collie"].read(str(tmp_path / "none.jsonl"))
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="the file is empty"):
        BENCHMARKS["collie"].read(str(tmp_path / "empty.jsonl"))


def test_multiple_choice(tmp_path: Path) -> None:
    gpqa = {"Question": "2+2?", "Correct Answer": "4", **{f"Incorrect Answer {i}": str(i) for i in (1, 2, 3)}}
    rows = [{**gpqa, "Record ID": f"r{i}"} for i in range(24)]
    items = BENCHMARKS["gpqa"].read(written(tmp_path / "gpqa.jsonl", rows))
    places = [item.row["answer"] for item in items]
    assert set(places) == set("ABCD")  # the right option stands anywhere, in an order that its id fixes
    assert all(f"{place}) 4" in item.prompt for place, item in zip(places, items, strict=True))
    answers = [f"Answer: {place}" for place in places]
    assert (
        figures(BENCHMARKS["gpqa"], graded_by_rules(BENCHMARKS["gpqa"], items, answers))["metrics"]["accuracy"]["mean"]
        == 1.0
    )
    pro = {"question": "?", "options": list(string.ascii_lowercase[:10]), "answer": "J", "category": "law"}
    (item,) = BENCHMARKS["mmlu-pro"].read(written(tmp_path / "pro.jsonl", [pro]))
    assert (item.row["answer"], item.slices) == ("J", {"subject": "law"})


def test_bbeh_full_is_the_harmonic_mean_over_tasks(tmp_path: Path) -> None:
    suite, rows = BENCHMARKS["bbeh-full"], []
    for task, answers in (("word_sorting", "ab"), ("web_of_lies", "xx")):
        (tmp_path / f"bbeh_{task}").mkdir()
        file = tmp_path / f"bbeh_{task}" / "task.json"
        file.write_text(json.dumps({"examples": [{"input": "?", "target": target} for target in "ab"]}))
        items = suite.read(str(file))
        rows += graded_by_rules(suite, items, [f"The answer is: {answer}" for answer in answers])
    assert [row.item.slices["task"] for row in rows] == ["word_sorting"] * 2 + ["web_of_lies"] * 2
    assert figures(suite, rows)["metrics"]["accuracy"]["mean"] == pytest.approx(2 / (1 / 101 + 1 / 1) / 100)
