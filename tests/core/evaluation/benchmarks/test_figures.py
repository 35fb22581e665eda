"""The figures of the outside benchmarks, and what a judge's reply says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.evaluation.benchmarks import bbeh, replies


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
        ("1) ...\n['YES', 'NO']", [True, False]),
        ("['YES', 'MAYBE']", None),
        ("YES", None),
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
        ("答案是YES。", True),
        ("NOTE: it is unknown", None),
        ("unclear", None),
        ("", None),
        ('{"1": 0}', False),
        ('{"verdict": "no", "score": 3}', False),
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
