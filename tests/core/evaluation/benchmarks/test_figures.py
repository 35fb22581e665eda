"""The figures of the outside benchmarks, and what a judge's reply says."""

import json
from pathlib import Path
from statistics import harmonic_mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.evaluation.benchmarks import bbeh, cfbench, complexbench, ladders, multichallenge, replies, turns

SHARED = Path(__file__).parents[5] / "shared"
JUDGED = SHARED / "data" / "bench" / "cfbench" / "judged_20.json"


@pytest.mark.skipif(not JUDGED.exists(), reason="the recorded replies are not beside this checkout")
def test_cfbench_recorded_replies_give_the_recorded_metrics() -> None:
    rows = json.loads(JUDGED.read_text())
    fallback = []  # rows on which the official parser fell back: it keeps the 1s alone, so that they score 1.0
    for row in rows:
        met = replies.echoed(row["judge_response"], [criterion[0] for criterion in row["criteria"]])
        assert met is not None
        metrics = cfbench.metrics(met, [criterion[1] == cfbench.PRIMARY for criterion in row["criteria"]])
        found = {"CSR": round(metrics.csr, 2), "ISR": int(metrics.isr), "PSR": int(metrics.psr)}
        if found != row["judge_metric"]:
            assert row["judge_parsing"] == "0"
            fallback.append(row["idx"])
    assert fallback == [5, 10]


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
def test_cfbench_priorities(met: list[bool], primary: list[bool], psr: bool) -> None:
    assert cfbench.metrics(met, primary).psr is psr


def test_complexbench_counts_a_question_false_when_a_direct_dependency_is() -> None:
    questions = [
        complexbench.ScoringQuestion(0),
        complexbench.ScoringQuestion(1, (0,)),
        complexbench.ScoringQuestion(2, (1,)),
    ]
    counted = complexbench.with_dependencies({0: False, 1: True, 2: True}, questions)
    assert counted == {0: False, 1: False, 2: True}
    assert complexbench.drfr([counted, {0: True}]) == 0.5
    with pytest.raises(KeyError):
        complexbench.with_dependencies({0: True}, questions)


def test_followbench_ladders() -> None:
    whole = {level: [True] * level for level in ladders.LEVELS}
    third_fails = {**whole, 3: [True, False, True]}
    figures = ladders.ladder_figures([whole, third_fails])
    assert figures.hsr == {1: 1.0, 2: 1.0, 3: 0.5, 4: 1.0, 5: 1.0}
    assert figures.ssr[3] == pytest.approx((1 + 2 / 3) / 2)
    assert figures.csl == 3.5
    assert figures.mean_hsr == pytest.approx(0.9)
    assert figures.weighted_hsr == pytest.approx(1 - 0.5 * 3 / 15)
    with pytest.raises(ValueError, match="group 1 has not the levels"):
        ladders.ladder_figures([whole, {1: [True]}])


def test_multichallenge_is_the_plain_mean_of_its_four_axes() -> None:
    first, second, third, fourth = multichallenge.AXES
    graded = [(first, True), (first, False), (first, None), (second, True), (third, False), (fourth, True)]
    figures = multichallenge.axis_figures(graded)
    assert figures.overall == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert figures.unscored == 1
    assert multichallenge.axis_figures(graded[:-1]).overall is None
    with pytest.raises(ValueError, match="'ERROR' is no axis"):
        multichallenge.axis_figures([("ERROR", False)])


def test_sysbench_dialogs() -> None:
    figures = turns.dialog_figures([[[True], [True, False], [True]], [[True], [True], [False]]])
    assert (figures.csr, figures.isr, figures.ssr) == (pytest.approx(5 / 7), pytest.approx(4 / 6), 1.5)


@pytest.mark.parametrize(
    ("reply", "verdicts"),
    [
        ('{"1": 1, "2": 0}', [True, False]),
        ('Here:\n```json\n{"1": true, "2": "no"}\n```', [True, False]),
        ("[1, 0]", [True, False]),
        ('[{"id": 2, "met": 0}, {"id": 1, "met": 1}]', [True, False]),
        ('The text names {one} thing [1], not two.\n{"1": 1, "2": 0}', [True, False]),
        ('{"1": 1, "2": 0} see [1, 1]', [True, False]),
        ('{"verdicts": [1, 0]}', [True, False]),
        ('{"1": 1}', None),
        ('{"1": 1, "2": 7}', None),
        ('{"1": 1, "2": 0', None),
        ("both are met", None),
        ("", None),
    ],
)
def test_numbered_verdicts(reply: str, verdicts: list[bool] | None) -> None:
    assert replies.numbered(reply, 2) == verdicts


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Reasons: no price is named.\nYES", True),
        ("是", True),
        ("答案：否", False),
        ("unclear", None),
        ("", None),
        ("回复是诗，但是否押韵？不是。", None),
        ('{"verdict": "yes", "reason": "no price"}', True),
        ('{"a": 1} NO', False),
    ],
)
def test_yes_or_no(reply: str, verdict: bool | None) -> None:
    assert replies.yes_or_no(reply) is verdict


@pytest.mark.parametrize(
    ("reply", "score"),
    [('{"score": 7, "reason": "ok"}', 7), ('{"score": "10"}', 10), ('{"score": 11}', None), ('{"score": 6.5}', None)],
)
def test_scores(reply: str, score: int | None) -> None:
    assert replies.score(reply, 1, 10) == score


@given(st.text(max_size=80))
def test_no_reply_makes_a_parser_raise(reply: str) -> None:
    for verdict in (replies.numbered(reply, 2), replies.yes_or_no(reply), replies.score(reply, 1, 10)):
        assert verdict is None or isinstance(verdict, list | bool | int)
    assert replies.echoed(reply, ["a", "b"]) in (None, [True, True], [True, False], [False, True], [False, False])


@pytest.mark.parametrize(
    ("response", "target"),
    [
        ("Let me think. The answer is: (B)", "(B)"),
        ("The answer is: B) the second", "(B)"),
        (r"So the final answer is: $\boxed{42}$.", "42"),
        ("The answer is: 6.0", "6"),
        ("the answer is: **yes,unknown , yes**\nThat is all.", "yes, unknown, yes"),
        ("The answer is: 'pen'", "pen"),
        ("pen", "pen"),
    ],
)
def test_bbeh_right(response: str, target: str) -> None:
    assert bbeh.right(response, target)


@pytest.mark.parametrize(
    ("response", "target"),
    [("The answer is: Because", "(B)"), ("The answer is: 43", "42"), ("42 or so", "42"), ("", "42")],
)
def test_bbeh_wrong(response: str, target: str) -> None:
    assert not bbeh.right(response, target)


def test_bbeh_full_score() -> None:
    assert bbeh.full_score({"a": 0.0, "b": 0.5}) == harmonic_mean([1, 51])
