"""Benchmarks over turns: Multi-IF, SysBench, MultiChallenge: rows as upstream writes them, given answers and replies."""

import csv
import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks import multi_if, multichallenge, sysbench
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.benchmark import Benchmark, Graded, Item, Terms
from ifrl_core.evaluation.suite.score import figures, graded_by_rules, responses_of
from tests.core.evaluation.benchmarks.grading import graded

BENCH = Path(__file__).parents[5] / "shared" / "data" / "bench"
BESIDE = pytest.mark.skipif(not BENCH.exists(), reason="the benchmarks' rows are not beside this checkout")
NO_COMMA, QUOTED = "punctuation:no_comma", "startend:quotation"
WORDS = {"relation": "less than", "num_words": 3}


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def results(benchmark: Benchmark, item: Item, answers: Sequence[str], replies: Sequence[str | None] = ()) -> Graded:
    said = iter(replies)
    return graded(benchmark, item, answers, lambda question: next(said))


def dialog(*turns: tuple[str, list[str], list[Any]], language: str = "English") -> dict[str, Any]:
    """A row of Multi-IF as its CSV has it: JSON in every column."""
    row: dict[str, Any] = {"turns": "", "responses": "", "key": "1:2:en", "turn_index": "0", "language": language}
    for k in (1, 2, 3):
        prompt, ids, kwargs = turns[k - 1] if k <= len(turns) else ("", [], [])
        row[f"turn_{k}_prompt"] = json.dumps({"role": "user", "content": prompt}) if prompt else ""
        row[f"turn_{k}_instruction_id_list"] = json.dumps(ids) if prompt else ""
        row[f"turn_{k}_kwargs"] = json.dumps([json.dumps(args) for args in kwargs]) if prompt else ""
    return row


FIRST = ("Tell me of tea.", [NO_COMMA], [{}])
SECOND = ("Quoted.", [NO_COMMA, QUOTED], [{}, {}])
THIRD = ("Two words.", [NO_COMMA, QUOTED, "length_constraints:number_words"], [{}, {}, WORDS])


def test_multi_if_reads_csv_and_jsonl_alike(tmp_path: Path) -> None:
    long = ("数" * 200_000, [NO_COMMA], [{}])
    rows = [dialog(FIRST, SECOND, THIRD), dialog(long, language="Chinese")]
    limit = csv.field_size_limit()
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    items = multi_if.read(str(tmp_path / "rows.csv"))
    assert items == multi_if.read(written(tmp_path / "rows.jsonl", rows))
    assert csv.field_size_limit() == limit
    assert [turn[0]["content"] for turn in items[0].turns] == ["Tell me of tea.", "Quoted.", "Two words."]
    assert [len(item.turns) for item in items] == [3, 1]
    assert [item.slices["language"] for item in items] == ["English", "Chinese"]
    assert [item.id for item in items] == ["1:2:en/1", "1:2:en/2"]  # one key: told apart by their place


def test_multi_if_instructions_add_up(tmp_path: Path) -> None:
    (item,) = multi_if.read(written(tmp_path / "rows.jsonl", [dialog(FIRST, SECOND, THIRD)]))
    marks = results(multi_if.MULTI_IF, item, ["Fine.", "Fine.", '"oh, fine"']).marks
    assert marks["turn_1_prompt_strict"] == [1.0]
    assert marks["turn_2_prompt_strict"] == [0.0]
    assert marks["turn_2_inst_strict"] == [1.0, 0.0]
    assert marks["turn_3_inst_strict"] == [0.0, 1.0, 1.0]
    assert marks["turn_3_inst_loose"] == [0.0, 1.0, 1.0]
    assert set(marks) == {name for metric in multi_if.MULTI_IF.metrics for name in metric.mean_of}


def test_multi_if_short_dialogs_and_instructions_that_no_rule_takes(tmp_path: Path) -> None:
    odd = ("x", [NO_COMMA, "length_constraints:number_words"], [{}, {"relation": "mindestens", "num_words": 3}])
    (item,) = multi_if.read(written(tmp_path / "rows.jsonl", [dialog(odd)]))
    result = results(multi_if.MULTI_IF, item, ["fine"])
    assert result.notes == {"no rule takes its arguments": 1}
    assert result.marks["turn_1_inst_strict"] == [1.0, None]
    assert result.marks["turn_1_prompt_loose"] == [None]
    assert result.marks["turn_3_prompt_loose"] == []


def test_answers_of_a_file_to_every_turn_make_figures(tmp_path: Path) -> None:
    items = multi_if.read(
        written(tmp_path / "rows.jsonl", [dialog(FIRST, SECOND, THIRD), {**dialog(FIRST), "key": "b"}])
    )
    given = [
        {"key": "b", "response": "a, b"},
        {"key": "1:2:en", "responses": ["Fine.", '"It is fine."', '"oh, fine"']},
    ]
    rows = graded_by_rules(multi_if.MULTI_IF, items, responses_of(written(tmp_path / "a.jsonl", given), items))
    found = figures(multi_if.MULTI_IF, rows)["metrics"]
    assert list(found) == ["turn_3", "turn_2", "turn_1"]
    assert found["turn_1"]["mean"] == 0.5
    assert found["turn_2"]["mean"] == 1.0
    assert found["turn_3"]["mean"] == pytest.approx((0 + 0 + 2 / 3 + 2 / 3) / 4)  # prompt and inst, strict and loose
    short = written(tmp_path / "b.jsonl", [{"key": "1:2:en", "responses": ["Fine."]}])
    with pytest.raises(InputError, match="field 'responses' has to hold 3 texts, one a turn"):
        responses_of(short, items)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"turn_1_prompt": "{"}, "row 1: field 'turn_1_prompt' is not valid JSON"),
        ({"turn_1_prompt": "[]"}, "field 'turn_1_prompt' has no text as its 'content'"),
        ({"turn_1_prompt": None}, "field 'turn_1_prompt' is empty or missing"),
        ({"turn_1_kwargs": "[]"}, "field 'turn_1_kwargs' has 0 entries; expected 1"),
        ({"turn_1_kwargs": "3"}, "field 'turn_1_kwargs' is int; expected a JSON list"),
        ({"language": 3}, "field 'language' is int"),
    ],
)
def test_multi_if_rows_of_another_form_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        multi_if.read(written(tmp_path / "rows.jsonl", [{**dialog(FIRST), **change}]))


def test_csv_with_more_fields_than_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("key,language\n1,English,more\n")
    with pytest.raises(InputError, match="row 1: more or fewer fields than the header names"):
        multi_if.read(str(tmp_path / "rows.csv"))


def system_dialog(*counts: int) -> dict[str, Any]:
    """A row of SysBench with so many criteria a turn."""
    kinds = ("内容约束", "风格约束")
    turns = [
        {
            "round": place,
            "prompt": f"q{place}",
            "alignment": "align" if place % 2 else "misalign",
            "criteria": [{"id": str(i + 1), "content": f"c{place}.{i}", "type": kinds[i % 2]} for i in range(count)],
        }
        for place, count in enumerate(counts, start=1)
    ]
    return {"system_id": 4, "rounds_related": True, "system_prompt": "Be kind.", "turns": turns}


def test_sysbench_asks_a_question_a_turn(tmp_path: Path) -> None:
    (item,) = sysbench.read(written(tmp_path / "rows.jsonl", [system_dialog(2, 1)]))
    assert item.turns == (
        ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "q1"}),
        ({"role": "user", "content": "q2"},),
    )
    with sysbench.SYSBENCH.grade(Terms()) as grade:
        questions = next(grade(item, ["a1", "a2"]))
    assert [dict(question.fields) for question in questions] == [
        {"system": "Be kind.", "history": "(none)", "prompt": "q1", "answer": "a1", "criteria": "1. c1.0\n2. c1.1"},
        {
            "system": "Be kind.",
            "history": "User: q1\n\nAssistant: a1",
            "prompt": "q2",
            "answer": "a2",
            "criteria": "1. c2.0",
        },
    ]


@pytest.mark.parametrize(
    ("replies", "csr", "isr", "ssr"),
    [
        (['{"1": 1}', '{"1": "yes", "2": "no"}', '{"1": 1}'], [1, 1, 0, 1], [1, 0, 1], [1]),
        (['{"1": 1}', '{"1": 1, "2": 1}', '{"1": 1}'], [1, 1, 1, 1], [1, 1, 1], [3]),
        (['{"1": 0}', "so so", '{"1": 1}'], [0, None, None, 1], [0, None, 1], [0]),
        (['{"1": 1}', None, '{"1": 0}'], [1, None, None, 0], [1, None, 0], [None]),
    ],
)
def test_sysbench_figures(
    tmp_path: Path, replies: list[str | None], csr: list[Any], isr: list[Any], ssr: list[Any]
) -> None:
    (item,) = sysbench.read(written(tmp_path / "rows.jsonl", [system_dialog(1, 2, 1)]))
    result = results(sysbench.SYSBENCH, item, ["a", "b", "c"], replies)
    assert result.marks == {"csr": csr, "isr": isr, "ssr": ssr}
    assert result.parts["type"] == {"content": [csr[0], csr[1], csr[3]], "style": [csr[2]]}
    assert result.parts["alignment"] == {"align": [csr[0], csr[3]], "misalign": csr[1:3]}
    assert result.notes == ({"reply not read": 1} if None in csr else {})


def test_sysbench_reads_upstreams_own_file(tmp_path: Path) -> None:
    derived = system_dialog(2, 1)
    infos = {
        turn["prompt"]: {
            "alignment": turn["alignment"],
            "criteria": {
                c["id"]: {"criteria_id": c["id"], "criteria_content": c["content"], "criteria_type": c["type"]}
                for c in turn["criteria"]
            },
        }
        for turn in derived["turns"]
    }
    messages = [{"role": "system", "content": "Be kind."}]
    for turn in derived["turns"]:
        messages += [{"role": "user", "content": turn["prompt"]}, {"role": "assistant", "content": "given"}]
    upstream = {**derived, "messages": messages, "prompt_infos": infos}
    del upstream["turns"]
    assert sysbench.read(written(tmp_path / "a.jsonl", [upstream])) == sysbench.read(
        written(tmp_path / "b.jsonl", [derived])
    )


def conversation(**change: Any) -> dict[str, Any]:
    said = [("user", "I am Ada."), ("assistant", "Hello Ada."), ("user", "Who am I?")]
    return {
        "QUESTION_ID": "q",
        "AXIS": "INFERENCE_MEMORY",
        "CONVERSATION": [{"role": role, "content": content} for role, content in said],
        "TARGET_QUESTION": "Does it say Ada?",
        "PASS_CRITERIA": "YES",
        **change,
    }


@pytest.mark.parametrize(
    ("passes", "reply", "mark"),
    [
        ("YES", "It does.\nYES", 1.0),
        ("YES", "NO", 0.0),
        ("NO", '{"reason": "It does.", "verdict": "yes"}', 0.0),
        ("NO", "no", 1.0),
        ("YES", "hm", None),
        ("YES", None, None),
    ],
)
def test_multichallenge(tmp_path: Path, passes: str, reply: str | None, mark: float | None) -> None:
    (item,) = multichallenge.read(written(tmp_path / "rows.jsonl", [conversation(PASS_CRITERIA=passes)]))
    assert [message["role"] for message in item.turns[0]] == ["user", "assistant", "user"]
    result = results(multichallenge.MULTICHALLENGE, item, ["You are Ada."], [reply])
    assert result.marks == {"overall": [mark]}
    assert result.notes == ({"reply not read": 1} if mark is None else {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AXIS": "ERROR"}, "field 'AXIS' is 'ERROR'; expected one of INFERENCE_MEMORY"),
        ({"PASS_CRITERIA": "maybe"}, "field 'PASS_CRITERIA' is 'MAYBE'; expected YES or NO"),
        ({"CONVERSATION": None}, "field 'CONVERSATION' is NoneType; expected a list of messages"),
        ({"TARGET_QUESTION": 1}, "field 'TARGET_QUESTION' is int"),
    ],
)
def test_multichallenge_rows_of_another_form_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        multichallenge.read(written(tmp_path / "rows.jsonl", [conversation(**change)]))


@BESIDE
def test_multichallenge_grades_the_recorded_answers_of_a_model() -> None:
    folder = BENCH / "multichallenge"
    items = multichallenge.read(str(folder / "benchmark_questions.jsonl"))
    lines = map(json.loads, (folder / "qwen2-5_14b.jsonl").read_text().splitlines())
    answers = {row["QUESTION_ID"]: row["RESPONSE"][0] for row in lines}
    assert len(items) == len(answers) == 273
    axes: dict[str, list[Any]] = {}
    for item in items[::5]:
        # A judge that passes long answers: what it says is read, whatever the answer holds.
        reply = "YES" if len(answers[item.id]) > 2_000 else "NO"
        (mark,) = results(multichallenge.MULTICHALLENGE, item, [answers[item.id]], [reply]).marks["overall"]
        axes.setdefault(item.slices["axis"], []).append(mark)
    assert set(axes) == set(multichallenge.AXES)
    assert {mark for marks in axes.values() for mark in marks} == {0.0, 1.0}


@BESIDE
@pytest.mark.parametrize(
    ("benchmark", "file", "rows"),
    [
        (sysbench.SYSBENCH, "sysbench/sysbench.derived.jsonl.gz", 500),
        (multichallenge.MULTICHALLENGE, "multichallenge/benchmark_questions.jsonl", 273),
    ],
)
def test_every_row_is_graded_whatever_a_judge_says(benchmark: Benchmark, file: str, rows: int) -> None:
    items = benchmark.read(str(BENCH / file))
    assert len(items) == rows
    for item, reply in zip(items[::10], cycle(["", None, '{"1": 1}', "YES", "[" * 50]), strict=False):
        result = graded(benchmark, item, [""] * len(item.turns), lambda _, said=reply: said)  # type: ignore[misc]
        assert all(metric.name in result.marks for metric in benchmark.metrics)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.none() | st.text(max_size=30) | st.sampled_from(["YES", '{"1": 1, "2": [0]}']))
def test_no_text_and_no_reply_makes_a_grading_raise(tmp_path: Path, text: str, reply: str | None) -> None:
    asked = {
        "agentif": {
            "input": "Hello",
            "constraints": [
                {
                    "evaluation": [
                        {"type": kind, "exec": "Is it so? {response}"} for kind in ("llm_conditional_check", "llm")
                    ]
                }
            ],
        },
        "multi-if": dialog(FIRST, SECOND, THIRD),
        "multichallenge": conversation(),
        "sysbench": system_dialog(2, 1),
    }
    for name, row in asked.items():
        (item,) = BENCHMARKS[name].read(written(tmp_path / "rows.jsonl", [row]))
        result = graded(BENCHMARKS[name], item, [text] * len(item.turns), lambda _: reply)
        assert all(mark is None or 0 <= mark <= len(item.turns) for marks in result.marks.values() for mark in marks)
