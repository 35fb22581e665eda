"""CFBench: recorded replies give the recorded metrics; rows, odd ones too, are read; what a judge says is graded."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.cfbench import CFBENCH, PRIORITIES, rates, read
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, echoed
from ifrl_core.evaluation.suite.benchmark import Question
from tests.core.evaluation.benchmarks.grading import graded, told

DATA = Path(__file__).parents[5] / "shared" / "data" / "bench" / "cfbench"
beside = pytest.mark.skipif(not DATA.exists(), reason="the benchmark's rows are not beside this checkout")
CRITERIA = [["a poem", "主需", "内容约束", ""], ["four lines", "次需", "数值约束", ""], ["no rhyme", "次需", "", ""]]


def written(path: Path, **fields: Any) -> str:
    row = {"idx": 7, "prompt": "Write.", "gold": "", "split": "easy", "doamin": "arts", "criteria": CRITERIA} | fields
    path.write_text(json.dumps([row]))
    return str(path)


@beside
def test_recorded_replies_give_the_recorded_metrics() -> None:
    rows = json.loads((DATA / "judged_20.json").read_text())
    fallback = []  # rows on which the official parser fell back: it keeps the 1s alone, so that they score 1.0
    for row, item in zip(rows, read(str(DATA / "judged_20.json")), strict=True):
        met = echoed(row["judge_response"], [criterion[0] for criterion in row["criteria"]])
        assert met is not None
        by_number = json.dumps({i: int(verdict) for i, verdict in enumerate(met, start=1)})
        marks = graded(CFBENCH, item, row["response"], lambda question, reply=by_number: reply).marks
        assert graded(CFBENCH, item, "", lambda question, reply=row["judge_response"]: reply).marks == marks
        found = {"CSR": round(marks["csr"][0] or 0, 2), "ISR": marks["isr"][0], "PSR": marks["psr"][0]}
        if found != row["judge_metric"]:
            assert row["judge_parsing"] == "0"
            fallback.append(row["idx"])
    assert fallback == [5, 10]


@beside
def test_every_row_is_read_and_odd_ones_are_what_they_are() -> None:
    items = {item.id: item for item in read(str(DATA / "cfbench_data.json"))}
    assert len(items) == 1_000
    assert sum(len(item.row["criteria"]) for item in items.values()) == 4_237
    assert items["810"].prompt == ""
    assert all(c["primary"] in PRIORITIES.values() for item in items.values() for c in item.row["criteria"])
    twice = [key for key, i in items.items() if len({c["text"] for c in i.row["criteria"]}) < len(i.row["criteria"])]
    assert twice == ["532", "670"]
    for reply in ("nonsense", None, json.dumps(dict.fromkeys(range(1, 15), 1))):
        for item in [*list(items.values())[::40], *(items[key] for key in ("810", "532", "670"))]:
            isr = graded(CFBENCH, item, "An answer.", lambda question, reply=reply: reply).marks["isr"]
            assert isr == ([1.0] if reply and reply.startswith("{") else [None])


def test_a_judge_is_asked_once_a_row_and_by_number(tmp_path: Path) -> None:
    (item,) = read(written(tmp_path / "rows.json"))
    assert item.slices == {"split": "easy", "domain": "arts"}
    seen: list[Question] = []
    result = graded(CFBENCH, item, "So be it.", lambda question: told(seen, question, '{"1": 1, "2": 0, "3": 1}'))
    assert [question.fields["criteria"] for question in seen] == ["1. a poem\n2. four lines\n3. no rhyme"]
    assert seen[0].fields["gold"] == "(none)"
    assert result.marks == {"csr": [pytest.approx(2 / 3)], "isr": [0.0], "psr": [0.0]}
    assert result.parts == {"type": {"内容约束": [1.0], "数值约束": [0.0], "(none)": [1.0]}}
    assert [line["verdict"] for line in result.verdicts] == [True, False, True]


@pytest.mark.parametrize("reply", ['{"1": 1, "2": 0}', "All criteria are met.", "", None])
def test_a_reply_that_cannot_be_read_is_unscored(tmp_path: Path, reply: str | None) -> None:
    (item,) = read(written(tmp_path / "rows.json"))
    result = graded(CFBENCH, item, "", lambda question: reply)
    assert result.marks == {"csr": [None], "isr": [None], "psr": [None]}
    assert result.notes == {NOT_READ: 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"criteria": []}, "row 1: field 'criteria' is empty"),
        ({"criteria": [["a", "maybe", "", ""]]}, r"row 1: criterion .*'maybe'.*; expected \[text, 主需 or 次需"),
        ({"prompt": None}, "row 1: field 'prompt' is NoneType; expected str"),
    ],
)
def test_rows_that_are_none_of_cfbench_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path / "rows.json", **fields))


@pytest.mark.parametrize(
    ("met", "primary", "psr"),
    [
        ([True, True], [True, True], True),
        ([False, True], [True, False], False),
        ([True, True, False], [True, False, False], False),  # 0.5 + 0.5 x 0.5
        ([True, True, True, False], [True, False, False, False], True),  # 0.5 + 0.5 x 2/3
        ([True] * 4 + [False], [False] * 5, False),  # 0.8 is not above 0.8
        ([True] * 5 + [False], [False] * 6, True),
    ],
)
def test_priorities(met: list[bool], primary: list[bool], psr: bool) -> None:
    assert rates(met, primary)["psr"] == psr
