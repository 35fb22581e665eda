"""The pages of outside benchmarks: models side by side, the worth of the judge, anchors apart, what was not scored."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.benchmark import Anchor, Graded, Item, Metric, asked
from ifrl_core.evaluation.suite.score import GradedItem, figures
from ifrl_core.report.benchmark_tables import benchmarks_markdown, metric_values, section_metrics, table_rows
from ifrl_core.report.benchmark_text import benchmarks_json, benchmarks_text
from ifrl_core.report.benchmarks import Section, Side, benchmark_section
from ifrl_core.report.judge import judge_flags, judge_rows
from ifrl_core.report.stage import render_benchmarks
from tests.core.report.small_run import HOSTILE
from tests.core.report.test_page import Page

MADE_WITH = {"data": "d" * 64, "scorer": "s" * 16, "judge": "smollm2 at 5f1c", "template cfbench": "t" * 64}
BENCHMARK = replace(
    BENCHMARKS["cfbench"],
    metrics=(Metric("isr"), Metric("csr"), Metric("score", unit="score")),
    anchors=(Anchor("R1-8B", "isr", 0.68, "gpt-4o", "its paper"), Anchor("o3", "score", 7.5, "", "its card")),
    odd=("row 810 has an empty prompt",),
)


def share(mean: float, units: int = 100) -> dict[str, Any]:
    return {"mean": mean, "low": max(0.0, mean - 0.1), "high": min(1.0, mean + 0.1), "units": units}


def judge(*, useless: bool) -> dict[str, Any]:
    """Figures as `evaluation.judge.reliability` gives them."""
    return {
        "checks": {"asked": 100, "satisfied": 60, "violated": 40, "unread": 3},
        "recall_of_violations": share(0.05 if useless else 0.8),
        "precision_of_violations": share(0.4),
        "agreement": share(0.6),
        "says_yes": share(0.97),
        "tells_apart": share(0.0 if useless else 0.5),
        "no_better_than_yes": useless,
        "self_consistency": None,
        "recorded": None,
    }


def graded(model: str, rows: int = 24) -> list[GradedItem]:
    source = random.Random(model)
    found = []
    for number in range(rows):
        met = None if number == 3 else [source.random() < 0.6 for _ in range(3)]
        marks: dict[str, list[float | None]] = {
            "isr": [None if met is None else float(all(met))],
            "csr": [None if met is None else sum(met) / 3],
            "score": [None if met is None else 3.0 * sum(met)],
        }
        verdicts = [{"asked": f"criterion {i} {HOSTILE}", "verdict": bool(met and met[i])} for i in range(3)]
        prompt = HOSTILE + f"Write about {number}. " * (1 if number % 2 else 80)
        item = Item(
            f"r{number}", asked("" if number == 9 else prompt), {}, "", {"split": "easy" if number % 3 else "hard"}
        )
        notes = {"reply not read": 1} if met is None else {}
        found.append(
            GradedItem(item, f"<think>hm</think>Answer {number} of {model}. {HOSTILE}", Graded(marks, notes, verdicts))
        )
    return found


def section(models: Sequence[str], label: str = "cfbench", **of_judge: bool) -> Section:
    sides = []
    for model in models:
        rows = graded(model)
        judged = {"judge": judge(useless=of_judge["useless"])} if of_judge else {}
        sides.append(Side(model, {**figures(BENCHMARK, rows), **judged}, rows, {"cut off": 2}))
    return benchmark_section(label, BENCHMARK, sides, made_with=MADE_WITH)


def words(html: str) -> str:
    page = Page(html)
    assert page.open == []
    return " ".join(page.text.split())


@pytest.mark.parametrize("models", [["only"], ["before", "after"], ["a", "b", "c"]], ids=len)
def test_any_number_of_models_stand_side_by_side(models: list[str]) -> None:
    of = section(models)
    html = render_benchmarks("demo", [of, section(models, "cfbench:two")])
    text = words(html)
    for row in of["metrics"]:
        for figure in row["figures"]:
            mean = f"{100 * figure['mean']:.1f}%" if row["unit"] == "share" else f"{figure['mean']:.2f}"
            assert mean in text
    assert f"{100 * of['slices'][0]['metrics'][0]['rows'][0]['figures'][-1]['mean']:.1f}%" in text
    for value in (*MADE_WITH, *MADE_WITH.values(), *models, "row 810 has an empty prompt", "cut off", "reply not read"):
        assert value in text
    assert "unscored marks of isr, csr, score" in text
    assert "Empty prompt: 1 row (r9)" in text
    assert 'id="benchmark-cfbench-two"' in html
    assert "<script" not in html
    assert "src=" not in html.replace("&lt;img src=", "")
    assert render_benchmarks("demo", [of, section(models, "cfbench:two")]) == html


def test_differences_are_paired_and_marked_where_clear() -> None:
    of = section(["before", "after"])
    change = of["metrics"][1]["changes"][1]
    assert of["metrics"][1]["changes"][0] is None
    said = f"{change['mean']:+.1f}".replace("-", "−")
    assert said in words(render_benchmarks("demo", [of]))
    assert (change["n"], change["left_out"]) == (23, 1)


def test_published_figures_stand_apart_with_judge_and_source() -> None:
    text = words(render_benchmarks("demo", [section(["only"])]))
    assert "published by others their judge, data and settings: not to compare" in text
    assert "R1-8B 68.0%" in text
    assert "isrR1-8B68.0%gpt-4oits paper" in text  # cells of one row
    assert "scoreo37.50rulesits card" in text


@pytest.mark.parametrize("useless", [True, False])
def test_a_judge_that_tells_nothing_is_marked(useless: bool) -> None:
    text = words(render_benchmarks("demo", [section(["before", "after"], useless=useless)]))
    assert ("This judge is no better than always saying yes" in text) is useless
    assert ("no better than always yes" in text) is useless
    assert "100: 60 satisfied, 40 not; 3 replies not read" in text
    assert "violations that it finds, of those that rules know" in text
    assert "nothing says how far its verdicts can be trusted" not in text


def test_a_judge_whose_replies_nobody_can_read_is_not_known_to_be_any_good() -> None:
    unread = {**dict.fromkeys(judge(useless=False)), "checks": {**judge(useless=False)["checks"], "unread": 200}}
    [flag] = judge_flags(["a", "b"], [unread, None])
    assert flag["title"] == "Nothing shows that this judge is better than always saying yes"
    assert "on answers of “a” 200 of 200 replies could not be read" in flag["text"]
    recorded = {**judge(useless=False), "recorded": {"agreement": share(0.6), "always_yes": share(0.7), "unread": 0}}
    assert judge_flags(["a"], [recorded]) == []
    assert [row["cells"] for row in judge_rows([recorded])[-2:]] == [["60% 50.0–70.0%"], ["70% 60.0–80.0%"]]


def test_a_judge_that_was_not_measured_is_said() -> None:
    said = "nothing says how far its verdicts can be trusted"
    assert said in words(render_benchmarks("demo", [section(["only"])]))
    unasked = {**dict.fromkeys(judge(useless=False)), "checks": dict.fromkeys(judge(useless=False)["checks"], 0)}
    rows = graded("only")
    of = benchmark_section(
        "cfbench", BENCHMARK, [Side("only", {**figures(BENCHMARK, rows), "judge": unasked}, rows)], made_with={}
    )
    assert said in words(render_benchmarks("demo", [of]))


def test_samples_are_a_fixed_choice_the_ends_and_what_was_not_scored() -> None:
    rows = section(["before", "after"])["rows"]
    by_why = {why: [row for row in rows if row["why"] == why] for why in ("fixed", "improved", "regressed", "unscored")}
    assert len(by_why["fixed"]) == 3
    assert len({row["id"] for row in rows}) == len(rows)
    assert "r3" in [row["id"] for row in (*by_why["unscored"], *by_why["fixed"])]
    for why, sign in (("improved", 1), ("regressed", -1)):
        for row in by_why[why]:
            before, after = (answer["marks"]["isr"][0] for answer in row["answers"])
            assert sign * (after - before) > 0
    assert by_why["improved"] or by_why["regressed"]
    assert all("hm" not in answer["text"] for row in rows for answer in row["answers"])


def test_the_table_and_the_summary_say_the_same() -> None:
    sections = [section(["before", "after"], useless=True), section(["a", "b", "c"], "cfbench:zh")]
    rows = table_rows(sections)
    first, last = rows[0], rows[-1]
    change = sections[0]["metrics"][0]["changes"][1]
    assert (first["benchmark"], first["metric"], first["marks"], first["unscored"]) == ("cfbench", "isr", 23, 1)
    assert first["change"].startswith(f"{change['mean']:+.1f}".replace("-", "−") if change["mean"] else "0.0")
    assert first["judge"] == "smollm2 at 5f1c: no better than always yes"
    assert {"a", "b", "c", "change, b", "change, c"} <= last.keys()
    assert last["judge"] == "smollm2 at 5f1c: not measured"
    said = benchmarks_markdown(sections)
    assert first["before"] in said
    assert first["change"] in said
    assert "> **cfbench: This judge is no better than always saying yes.**" in said
    assert "cfbench:zh: empty prompt in 1 row (r9), asked and graded as it stands." in said


def test_metrics_are_named_by_benchmark_and_none_is_left_out() -> None:
    of = {**figures(BENCHMARK, graded("before")), "judge": judge(useless=False)}
    values = metric_values("cfbench:zh", of)
    assert values["benchmark/cfbench:zh/isr"] == of["metrics"]["isr"]["mean"]
    assert values["benchmark/cfbench:zh/score_low"] == of["metrics"]["score"]["low"]
    assert values["benchmark/cfbench:zh/unscored"] == 1
    assert values["benchmark/cfbench:zh/judge/recall_of_violations"] == 0.8
    assert "benchmark/cfbench:zh/judge/self_consistency" not in values
    of_sides = section_metrics([section(["before", "after"], useless=False)])
    assert of_sides["before/benchmark/cfbench/isr"] == values["benchmark/cfbench:zh/isr"]
    assert "after/benchmark/cfbench/judge/agreement" in of_sides
    nothing = figures(BENCHMARK, [replace(row, graded=Graded({})) for row in graded("before")])
    assert metric_values("cfbench", nothing) == {"benchmark/cfbench/unscored": 0.0}


def test_a_terminal_and_scripts_see_models_side_by_side_with_their_judge() -> None:
    of = section(["before", "/models/after-training-for-a-day"], useless=True)
    text = benchmarks_text([of])
    assert text.startswith(
        "model 1: before\nmodel 2: /models/after-training-for-a-day\n\ncfbench: CFBench, 24 rows, graded by"
    )
    header, row = text.splitlines()[4:6]
    assert header.split() == ["metric", "model", "1", "model", "2", "change", "marks", "unscored"]
    assert row.split()[0] == "isr"
    assert len({line.find("23") for line in text.splitlines()[5:8]}) == 1  # columns stand under each other
    assert "judge on answers of model 2: Asked 100 hard constraints on these answers (40 of them violated)" in text
    assert "THIS JUDGE IS NO BETTER THAN ALWAYS SAYING YES." in text
    found = benchmarks_json([of])["cfbench"]
    isr = found["metrics"]["isr"]
    assert list(isr["models"]) == of["models"]
    assert isr["differences"] == {of["models"][1]: of["metrics"][0]["changes"][1]}
    assert found["judges"]["before"]["no_better_than_yes"]
    assert benchmarks_text([section(["before", "after"])]).startswith("cfbench: ")
