"""ComplexBench: rules on spans that a judge cuts out, yes or no, and points that depend on each other."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.complexbench import (
    COMPLEXBENCH,
    COMPLEXBENCH_EN,
    UNDECIDABLE,
    spans_in,
    with_dependencies,
)
from ifrl_core.evaluation.benchmarks.replies import NOT_READ
from ifrl_core.evaluation.benchmarks.rules.complexbench import decidable, decided
from ifrl_core.evaluation.suite.benchmark import Item, Question, Terms
from ifrl_core.evaluation.suite.score import GradedItem, figures
from tests.core.evaluation.benchmarks.grading import graded

JUDGE_YES, JUDGE_NO = '{"reason": "so", "verdict": "yes"}', '{"reason": "so", "verdict": "no"}'


def point(id_: int, rule: str | None = None, dep: tuple[int, ...] = (), **fields: Any) -> dict[str, Any]:
    names = {"constraint_dimensions": ["Length"] if rule else ["Factuality"], "composition_types": []}
    texts = {"question": f"问题{id_}？", "question_en": f"question {id_}?"}
    return {"point_id": id_, "rule": rule, "dep": list(dep), **names, **texts, **fields}


def row(*points: dict[str, Any], **fields: Any) -> dict[str, Any]:
    own = {"main_id": 899, "group": "g1", "idx_in_group": 1, "instruction": "写。", "instruction_en": "Write."}
    of_row = {"category": "Selection_2", "task_types": "Professional Writing", "constraint_dimensions": []}
    return {**own, **of_row, "composition_types": ["And"], "scoring_questions": list(points), **fields}


def items(path: Path, *rows: dict[str, Any]) -> list[Item]:
    path.write_text(json.dumps(rows))
    return COMPLEXBENCH.read(str(path))


def test_a_file_of_the_official_format(tmp_path: Path) -> None:
    file = tmp_path / "data_final.json"
    points = [
        point(0, composition_types=["Selection"]),
        point(1, "model_length:[3,10]", (0,)),
        point(2, "keyword:[春天]", (1,)),
        point(3, "model_endswith_each:；"),
        point(4, None, (2,), composition_types=["Chain"]),
    ]
    (item,) = items(file, row(*points))
    assert (item.id, item.cluster) == ("899", "g1")
    assert item.slices == {"category": "Selection_2", "task": "Professional Writing"}
    replies = {
        "问题0？": JUDGE_YES,
        "问题1？": '{"spans": ["很长很长很长很长很长的一段"]}',  # 13 characters: false
        "问题2？": '{"spans": ["all"]}',
        "问题3？": '{"spans": ["一；", "二"]}',
        "问题4？": JUDGE_YES,
    }
    templates = []

    def reply(question: Question) -> str:
        templates.append(question.template)
        return replies[question.fields["question"]]

    result = graded(COMPLEXBENCH, item, "春天来了。", reply)
    assert templates == ["complexbench", *["complexbench_span"] * 2, "complexbench_spans", "complexbench"]
    # 2 fails by its dependency alone; 4, which depends on it, stays true.
    assert result.marks == {"drfr": [1.0, 0.0, 0.0, 1.0, 1.0]}
    assert result.parts == {
        "constraint": {"Factuality": [1.0, 1.0], "Length": [0.0, 0.0, 1.0]},
        "family": {"utility": [1.0, 1.0], "format": [0.0, 0.0, 1.0]},
        "composition": {"Selection": [1.0], "Chain": [1.0]},
    }
    found = figures(COMPLEXBENCH, [GradedItem(item, "", result)])
    assert found["metrics"]["drfr"]["mean"] == pytest.approx(3 / 5)
    assert found["slices"]["constraint"]["Length"]["drfr"]["mean"] == pytest.approx(1 / 3)
    (english,) = COMPLEXBENCH_EN.read(str(file))
    assert (english.prompt, english.row["questions"][0]["question"]) == ("Write.", "question 0?")


def test_what_is_not_known_is_unscored_and_what_depends_on_it_too(tmp_path: Path) -> None:
    (item,) = items(tmp_path / "a.json", row(point(0), point(1, None, (0,)), point(2, None, (0,)), point(3)))
    replies = {"问题0？": "hm", "问题1？": JUDGE_YES, "问题2？": JUDGE_NO, "问题3？": JUDGE_YES}
    result = graded(COMPLEXBENCH, item, "", lambda question: replies[question.fields["question"]])
    assert (result.marks, result.notes) == ({"drfr": [None, None, 0.0, 1.0]}, {NOT_READ: 1})


@pytest.mark.parametrize(
    ("official", "whole", "part"), [(False, [None, None], [None, None]), (True, [0.0, 1.0], [1.0, 1.0])]
)
def test_a_rule_that_nothing_decides(
    tmp_path: Path, official: bool, whole: list[float | None], part: list[float | None]
) -> None:
    (item,) = items(tmp_path / "a.json", row(point(0, "model_rhyme:[1]"), point(1, "length:[1,9]", (0,))))
    result = graded(COMPLEXBENCH, item, "Yes.", lambda q: '{"spans": ["all"]}', terms=Terms(official=official))
    assert result.marks == {"drfr": whole}
    assert result.parts["constraint"] == {"Length": part}
    assert result.notes == {UNDECIDABLE: 1}


@pytest.mark.parametrize(
    ("rule", "holding", "failing"),
    [
        ("keyword:[春天,夏天]", ["春天和夏天"], ["春天"]),
        ("keyword:['a,b']", ["x a，b"], ["a"]),
        ("keyword:[你好!]", ["你好!"], ["你好"]),  # both sides with Chinese punctuation
        ("model_keyword:[你好!]", ["你好！"], ["你好!"]),  # the rule's side alone
        ("forbidden_word:[坏]", ["好"], ["坏的"]),
        ("keyword:[好]\nforbidden_word:[坏]", ["好"], ["好坏"]),
        ("startswith:你好", ["你好吗"], ["不，你好"]),
        ("startswith:A\nB", ["A\nBC"], ["A"]),
        ("endswith:完成", ["都完成。", "“都完成”"], ["完成了"]),
        ("not endswith:完成", ["完成了"], ["都完成。"]),
        ("model_startswith:一\nmodel_endswith:九", ["一二九"], ["一二"]),
        ("model_not_startswith:一", ["二"], ["一二"]),
        ("length:[2,3]", ["好的", '"好的呀"'], ["好", "好的好的好"]),
        ("model_length_word:[2, 3]", ["two words"], ["one", "there are four words"]),
        ("match:不知道", ["不知道", "不知道。"], ["不知道呢"]),
        ("match:OK!", [], ["OK!", "OK！"]),
        ("constraint_punc:[。]", ["好。"], ["好，的。", "好, 的。"]),
        ("model_constraint_punc:[。]", ["好, 的。"], ["好，的。"]),
        ("Json:['a', 'b']", ['So: {"a": 1, "b": {"c": 2}} there'], ['{"a": 1}', '{"a": 1, "b": 2, "c": 3}', "[]", "{"]),
        ("Json:['']", ['{"a": 1}'], ["{a}"]),
        ("model_keyword_num:[1,2,a,b,c]", ["a b"], ["a b c", "d"]),
    ],
)
def test_rules_of_one_span(rule: str, holding: list[str], failing: list[str]) -> None:
    assert [decided(rule, [span]) for span in holding] == [True] * len(holding)
    assert [decided(rule, [span]) for span in failing] == [False] * len(failing)
    absent = all(name in ("forbidden_word", "not endswith", "model_not_startswith") for name in _names(rule))
    assert decided(rule, []) is absent
    assert decided(rule, [""]) is absent


def _names(rule: str) -> list[str]:
    return [line.partition(":")[0] for line in rule.split("\n") if ":" in line]


@pytest.mark.parametrize(
    ("rule", "spans", "verdict"),
    [
        ("model_keyword_each:[好]", ["好的", "", "你好"], True),
        ("model_keyword_each:[好]", ["好的", "坏"], False),
        ("model_forbidden_word_each:[坏]", [], True),
        ("model_keyword_num_each:[1,1,a,b]\nmodel_forbidden_word_each:[c]", ["a", "b"], True),
        ("model_keyword_num_each:[1,1,a,b]\nmodel_forbidden_word_each:[c]", ["a", "bc"], False),
        ("model_number_each:[2,3]", ["a", "b"], True),
        ("model_number_each:[2,3]", ["a"], False),
        ("model_length_each:[1,2]", ["“好的”", "好"], True),
        ("model_length_word_each:[1,2]", ["a b c"], False),
        ("model_startswith_each:场景", ["场景1", "场景2"], True),
        ("model_starts_with_list_each:[一,二]", ["一.", "二."], True),
        ("model_starts_with_list_each:[一,二]", ["一."], False),
        ("model_endswith_each:；", ["一；", "二；", "三。"], True),  # the last may end otherwise
        ("model_endswith_each:；", ["一。"], False),
        ("model_not_endswith_each:。", ["一", "二。"], False),
        ("model_constraint_punc_each:[，]", ["一，二", "三,四"], True),
    ],
)
def test_rules_of_each_span(rule: str, spans: list[str], verdict: bool) -> None:
    assert decided(rule, spans) is verdict


@pytest.mark.parametrize(
    "rule",
    ["", "model_match:好", "rhyme:[1]", "length:[1]", "length:[__import__('os'),2]", "length:['1','2']", "keyword:好",
     "keyword:[a]\nrhyme:[b]", "Json:{}", "model_keyword_num:[a,b]", "length:" + "[" * 5_000],
)  # fmt: skip
def test_rules_that_nothing_decides(rule: str) -> None:
    assert not decidable(rule)
    assert decided(rule, ["a"]) is None


@pytest.mark.parametrize(
    ("reply", "spans"),
    [
        ('{"spans": ["a", "b"]}', ["a", "b"]),
        ('First {"x": 1}, then {"spans": ["all"]}', ["the text"]),
        ('{"spans": "all"}', ["the text"]),
        ('{"spans": []}', []),
        ('{"spans": ["None"]}', []),
        ('{"spans": [1]}', None),
        ("【解释】 so\n评分对象：一||二", ["一", "二"]),
        ("评分对象：all", ["the text"]),
        ("None", []),
        ('"All".', ["the text"]),
        ("text", ["text"]),
        ("nothing like it", None),
        ("", None),
    ],
)
def test_what_a_judge_cuts_out(reply: str, spans: list[str] | None) -> None:
    assert spans_in(reply, "the text") == spans


def test_a_point_is_false_when_a_direct_dependency_is() -> None:
    verdicts = {0: False, 1: True, 2: True, 3: None, 4: None}
    dependencies: dict[int, list[int]] = {0: [], 1: [0], 2: [1], 3: [1], 4: [0]}
    assert with_dependencies(verdicts, dependencies) == {0: False, 1: False, 2: True, 3: None, 4: False}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scoring_questions": []}, "'scoring_questions' is empty or holds one point_id twice"),
        ({"scoring_questions": [point(0), point(0)]}, "holds one point_id twice"),
        ({"scoring_questions": [point(0, None, (7,))]}, "a question depends on point 7, which the row has not"),
        ({"scoring_questions": [point(0, rule=3)]}, "field 'rule' is int; expected str or null"),
        ({"scoring_questions": ["why?"]}, "a scoring question is str; expected an object"),
        ({"main_id": None}, "field 'main_id' is NoneType"),
    ],
)
def test_rows_that_are_none_of_complexbench_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        items(tmp_path / "a.json", row(point(0), **fields))


RULES = (
    "keyword:[a]", "match:a", "Json:['a']", "constraint_punc:[.]", "length_word:[1,2]", "endswith:a",
    "model_keyword_num_each:[1,1,a]", "model_endswith_each:a", "model_constraint_punc_each:[.]", "model_length_each:[0,1]",
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=3), st.sampled_from(RULES))
def test_no_text_makes_a_rule_raise(spans: list[str], rule: str) -> None:
    assert decided(rule, spans) in (True, False)
