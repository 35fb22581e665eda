"""Figures of graded rows by hand: units, groups, slices, samples, whole clusters, what could not be scored, and pairs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, harmonic_mean

import pytest

from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.benchmark import Graded, Item, Marks, Metric, asked
from ifrl_core.evaluation.suite.compare import compared
from ifrl_core.evaluation.suite.odd import VERY_LONG, odd_rows
from ifrl_core.evaluation.suite.score import GradedItem, figures

BENCHMARK = replace(
    BENCHMARKS["collie"],
    metrics=(
        Metric("met"),
        Metric("by_task", over="task"),
        Metric("harmonic", over="task", harmonic=True),
        Metric("score", unit="score"),
    ),
)


def row(id: str, mark: float | None, *, task: str = "a", cluster: str = "", **notes: int) -> GradedItem:
    marks: Marks = {
        "met": [mark],
        "by_task": [mark],
        "harmonic": [mark],
        "score": [None if mark is None else 10 * mark],
    }
    return GradedItem(Item(id, asked("?"), {}, cluster, {"task": task}), "", Graded(marks, notes))


ROWS = [
    row("1", 1.0),
    row("2", 0.0),
    row("3", 1.0),
    row("4", 1.0, task="b"),
    row("5", None, task="b", timeout=2),
    row("6", 0.0, task="10"),
    row("7", 0.0, task="9"),
]


def test_metrics_are_means_of_marks_or_of_groups() -> None:
    found = figures(BENCHMARK, ROWS)
    metrics = found["metrics"]
    assert metrics["met"]["mean"] == pytest.approx(0.5)
    assert metrics["by_task"]["mean"] == pytest.approx(fmean([2 / 3, 1, 0, 0]))
    assert metrics["harmonic"]["mean"] == pytest.approx(harmonic_mean([200 / 3 + 1, 101, 1, 1]) / 100)
    assert (metrics["score"]["mean"], metrics["score"]["unit"]) == (pytest.approx(5), "score")
    assert (metrics["met"]["n"], metrics["met"]["clusters"], metrics["met"]["unscored"]) == (6, 6, 1)
    assert (found["notes"], found["items"], found["samples"]) == ({"timeout": 2}, 7, 1)
    assert list(found["slices"]["task"]) == ["a", "b", "9", "10"]
    assert found["slices"]["task"]["b"]["met"] == {"mean": 1.0, "low": None, "high": None, "n": 1, "clusters": 1}
    assert json.loads(json.dumps(found)) == found == figures(BENCHMARK, ROWS)


def test_samples_of_an_item_are_one_cluster() -> None:
    once, twice = [row(str(i), float(i % 2)) for i in range(8)], [row(str(i), float(i % 2)) for i in range(8)] * 2
    found = figures(BENCHMARK, twice)
    assert (found["items"], found["samples"], found["metrics"]["met"]["clusters"]) == (8, 2, 8)
    assert found["metrics"]["met"]["low"] == figures(BENCHMARK, once)["metrics"]["met"]["low"]


def test_nothing_scored_is_no_zero() -> None:
    found = figures(BENCHMARK, [row("1", None)])["metrics"]["met"]
    assert (found["mean"], found["low"], found["n"], found["unscored"]) == (None, None, 0, 1)
    assert figures(BENCHMARK, [])["metrics"]["met"]["mean"] is None


def test_a_difference_leaves_out_what_one_side_could_not_score() -> None:
    after = [replace(old, graded=row("", 1.0).graded) for old in ROWS]
    after[0] = replace(after[0], graded=row("", None).graded)
    found = compared(BENCHMARK, ROWS, after)
    met = found["metrics"]["met"]
    assert (met["before"], met["after"], met["mean"]) == (pytest.approx(40), 100, pytest.approx(60))
    assert (met["n"], met["left_out"], met["clusters"], met["unit"]) == (5, 2, 5, "share")
    assert met["low"] < 60 < met["high"] <= 100
    assert found["metrics"]["score"]["mean"] == pytest.approx(6)
    assert found["slices"]["task"]["9"]["met"]["mean"] == 100
    assert found["slices"]["task"]["9"]["met"]["low"] is None  # one cluster
    assert json.loads(json.dumps(found)) == found


def test_one_side_without_rows_has_no_difference() -> None:
    met = compared(BENCHMARK, ROWS, [])["metrics"]["met"]
    assert (met["mean"], met["n"], met["left_out"]) == (None, 0, 7)


def in_a_row(ladder: Sequence[tuple[Item, Graded]]) -> Marks:
    return {"csl": [float(sum(graded.marks["met"] == [1.0] for _, graded in ladder))]}


def test_marks_of_a_whole_cluster_are_of_no_level() -> None:
    ladders = replace(BENCHMARK, metrics=(Metric("met"), Metric("csl", unit="levels")), of_cluster=in_a_row)
    rows = [
        replace(of, item=replace(of.item, slices={"level": str(level), "kind": kind}))
        for ladder, kind in (("x", "style"), ("y", "content"))
        for level in (1, 2)
        for of in [row(f"{ladder}{level}", float(ladder == "x" or level == 1), cluster=ladder)]
    ]
    found = figures(ladders, rows)
    assert (found["metrics"]["csl"]["mean"], found["metrics"]["csl"]["n"]) == (1.5, 2)
    assert found["slices"]["level"]["1"]["csl"]["n"] == 0
    assert found["slices"]["kind"]["style"]["csl"]["mean"] == 2
    twice = figures(ladders, rows * 2)["metrics"]["csl"]
    assert (twice["mean"], twice["n"], twice["clusters"]) == (1.5, 4, 2)


def test_a_mean_of_metrics_and_parts_finer_than_an_item() -> None:
    of_both = replace(BENCHMARK, metrics=(Metric("both", mean_of=("a", "b")), Metric("a"), Metric("b")))
    rows = [
        GradedItem(
            Item(str(i), asked("?"), {}),
            "",
            Graded({"a": [a], "b": [b, b]}, parts={"turn": {"1": [a], "2": [b, None]}}),
        )
        for i, (a, b) in enumerate([(1.0, 0.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.0)])
    ]
    found = figures(of_both, rows)
    both = found["metrics"]["both"]
    assert (both["mean"], both["n"], both["clusters"]) == (pytest.approx((0.5 + 0.25) / 2), 12, 4)
    assert both["low"] < 0.375 < both["high"]
    turns = found["slices"]["turn"]
    assert (turns["1"]["both"]["mean"], turns["2"]["both"]["mean"], turns["2"]["both"]["n"]) == (0.5, 0.25, 4)
    change = compared(of_both, rows, [rows[0], rows[1], rows[1], replace(rows[3], graded=rows[1].graded)])
    assert change["metrics"]["a"]["n"] == 3  # the item that is answered twice has no third answer
    half = [replace(row, graded=Graded({"a": [1.0], "b": [None]})) for row in rows]
    assert figures(of_both, half)["metrics"]["both"]["mean"] is None
    assert compared(of_both, rows, half)["metrics"]["both"]["mean"] is None


def test_odd_rows_are_named() -> None:
    twice, once = [["Be brief."], ["Be  brief.\n"], [""], [""]], [{"desc": "Be brief."}, {"desc": "Be kind."}]
    turns = (({"role": "user", "content": "a"}, {"role": "user", "content": "b"}),)
    items = [
        Item("810", asked(" \n"), {"criteria": once}),
        Item("532", asked("?"), {"criteria": twice, "targets": ["x", "x"]}),
        Item("nested", asked("?"), {"turns": [{"criteria": [*once, *once]}]}),
        Item("roles", turns, {}),
        Item("long", asked("x" * VERY_LONG, system="y"), {}),
        Item("plain", asked("?", system="Be brief."), {"constraints": once}),
    ]
    assert odd_rows(items) == [
        {"what": "empty prompt", "rows": 1, "ids": ["810"]},
        {"what": "a criterion twice", "rows": 2, "ids": ["532", "nested"]},
        {"what": "two messages of one role in a row", "rows": 1, "ids": ["roles"]},
        {"what": "more than 16,000 characters", "rows": 1, "ids": ["long"]},
    ]
    graded = [GradedItem(item, "", Graded({"met": [1.0]})) for item in items[:1] * 8]
    assert figures(BENCHMARK, graded)["odd"] == [{"what": "empty prompt", "rows": 1, "ids": ["810"]}]
