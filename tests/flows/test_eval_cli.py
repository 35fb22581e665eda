"""`ifrl eval`: a benchmark on files of answers."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from flows.cli.main import app

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
ROWS = [
    {"key": key, "prompt": f"Write {key}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    for key in range(8)
]


def written(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def ifrl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_files_of_answers_stand_side_by_side(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", ROWS)
    files = [
        written(tmp_path / f"{name}.jsonl", [{"key": row["key"], "response": text} for row in ROWS])
        for name, text in (("before", "a, b"), ("after", "a b"))
    ]
    command = ("eval", "--benchmark", f"ifeval={rows}", "--answers", files[0], "--answers", files[1])
    result = ifrl(*command, "-o", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["answers"][files[1]]["metrics"]["prompt_strict"]["mean"] == 1.0
    assert report["differences"][files[1]]["metrics"]["prompt_strict"]["mean"] == 100.0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    first = json.loads((tmp_path / "out" / "0-before-ifeval.jsonl").read_text().splitlines()[0])
    assert first["marks"]["prompt_strict"] == [0.0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert ">before <" in page
    assert "+100.0" in page
    shown = ifrl(*command, "--limit", "3").output
    assert "ifeval: 3 rows" in shown
    assert "+100.0 points" in shown


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden verdicts are not beside this checkout")
@pytest.mark.parametrize(
    ("benchmark", "file", "columns"),
    [
        ("ifbench", "ifbench_verdicts", ["strict", "loose"]),
        ("ifbench --official", "ifbench_quirks", ["strict", "loose"]),
        ("collie", "collie_verdicts", ["satisfied"]),
        ("followbench", "followbench_rules", ["satisfied"]),
    ],
)
def test_given_rows_get_the_official_verdicts(tmp_path: Path, benchmark: str, file: str, columns: list[str]) -> None:
    golden = pq.read_table(GOLDEN / f"{file}.parquet")
    golden = golden.take(list(range(0, len(golden), len(golden) // 60)))
    others = [name for name in golden.column_names if name not in columns]
    pq.write_table(golden.select(others), tmp_path / "in.parquet")
    command = ("eval", "--answers", str(tmp_path / "in.parquet"), "--benchmark", *benchmark.split())
    result = ifrl(*command, "-o", str(tmp_path / "out.parquet"))
    assert result.exit_code == 0, result.output
    assert pq.read_table(tmp_path / "out.parquet").equals(golden.select([*others, *columns]))


def test_given_rows_go_beside_their_file_or_into_a_folder_with_the_figures(tmp_path: Path) -> None:
    rows = [{**row, "response": text} for row, text in zip(ROWS, ("a, b", "a b"), strict=False)]
    file = written(tmp_path / "a.jsonl", rows)
    shown = ifrl("eval", "--benchmark", "ifeval", "--answers", file).output
    assert "prompt_strict    50.0%" in shown
    assert f"rows with verdicts: {tmp_path / 'a-graded.jsonl'}" in shown
    report = json.loads(
        ifrl("eval", "--benchmark", "ifeval", "--answers", file, "-o", str(tmp_path / "out"), "--json").output
    )
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    lines = [json.loads(line) for line in (tmp_path / "out" / "0-a-ifeval.jsonl").read_text().splitlines()]
    assert [line["strict_all"] for line in lines] == [False, True]


def test_answers_with_other_columns_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"prompt": "p", "response": "a"}])
    error = ifrl("eval", "--benchmark", "followbench", "--answers", file).exception
    assert f"{file}: expected rows with lang, category, example_id, source, level, target and response; or " in str(
        error
    )


def test_it_lists_what_there_is_and_says_what_is_missing(tmp_path: Path) -> None:
    assert "ifbench" in ifrl("eval", "--list").output
    rows = {row["name"]: row for row in json.loads(ifrl("eval", "--list", "--json").output)}
    assert rows["collie"]["asked"] == {"max_tokens": 1000, "temperature": 0.7, "top_p": 1.0}
    assert rows["ifbench"]["metrics"][0] == "prompt_loose"
    assert rows["bbeh"]["needs"] == ["file"]
    assert ifrl("eval", "--benchmark", "ifeval").exit_code == 2
