"""`ifrl eval`: a benchmark on files of answers."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from flows.cli.main import app

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
    assert report["differences"][files[1]]["prompt_strict"]["mean"] == 100.0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    first = json.loads((tmp_path / "out" / "0-before-ifeval.jsonl").read_text().splitlines()[0])
    assert first["marks"]["prompt_strict"] == [0.0]
    shown = ifrl(*command, "--limit", "3").output
    assert "ifeval: 3 rows" in shown
    assert "+100.0 points" in shown


def test_it_lists_what_there_is_and_says_what_is_missing(tmp_path: Path) -> None:
    assert "ifbench" in ifrl("eval", "--list").output
    assert {"name", "title", "source", "licence"} <= set(json.loads(ifrl("eval", "--list", "--json").output)[0])
    assert ifrl("eval", "--benchmark", "ifeval").exit_code == 2
