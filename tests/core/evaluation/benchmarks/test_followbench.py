"""FollowBench: whole ladders as a judge sees them, and what they are worth."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.followbench import FOLLOWBENCH, LEVELS, read
from ifrl_core.evaluation.benchmarks.replies import NOT_READ
from ifrl_core.evaluation.suite.benchmark import Question
from ifrl_core.evaluation.suite.score import GradedItem, figures
from tests.core.evaluation.benchmarks.grading import Reply, graded, told

DATA = Path(__file__).parents[5] / "shared" / "data" / "bench" / "followbench"


def ladder(example_id: int = 1, source: str = "quora", category: str = "style") -> list[dict[str, Any]]:
    return [
        {"example_id": example_id, "source": source, "category": category, "level": level, "target": "x"}
        | {"instruction": f"{category} {example_id}" + "".join(f" +{i}" for i in range(1, level + 1))}
        for level in range(6)
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text(json.dumps(rows))
    return str(path)


def nobody(question: Question) -> str:
    raise AssertionError("a judge was asked")


def all_met_but(*lacking: tuple[int, int]) -> Reply:
    """A judge who finds all constraints satisfied but (level, number) ones."""

    def reply(question: Question) -> str:
        n = int(question.fields["levels"])
        return json.dumps({i: int((n, i) not in lacking) for i in range(1, n + 1)})

    return reply


def test_a_judge_sees_the_whole_path(tmp_path: Path) -> None:
    items = read(written(tmp_path / "rows.json", ladder()))
    assert [item.slices for item in items][:1] == [{"level": "1", "category": "style", "lang": "en"}]
    assert {item.cluster for item in items} == {"quora-1"}
    seen: list[Question] = []
    result = graded(FOLLOWBENCH, items[1], "An answer.", lambda question: told(seen, question, "[1, 0]"))
    assert seen[0].fields["path"] == "\n".join(
        f'<version number="{i}">\n{text}\n</version>'
        for i, text in enumerate(["style 1", "style 1 +1", "style 1 +1 +2"])
    )
    assert result.marks == {"hsr": [0.0], "ssr": [0.5]}
    unread = graded(FOLLOWBENCH, items[1], "An answer.", lambda question: "[1]")
    assert (unread.marks, unread.notes) == ({"hsr": [None], "ssr": [None]}, {NOT_READ: 1})


def test_ladders(tmp_path: Path) -> None:
    whole = read(written(tmp_path / "a.json", ladder(1)))
    broken = read(written(tmp_path / "b.json", ladder(2)))
    rows = [GradedItem(item, "", graded(FOLLOWBENCH, item, "", all_met_but())) for item in whole]
    rows += [GradedItem(item, "", graded(FOLLOWBENCH, item, "", all_met_but((3, 2)))) for item in broken]
    found = figures(FOLLOWBENCH, rows)
    means = {name: metric["mean"] for name, metric in found["metrics"].items()}
    assert means == {
        "hsr": pytest.approx(0.9),
        "ssr": pytest.approx((4 + (1 + 2 / 3) / 2) / 5),
        "csl": 3.5,
        "weighted_hsr": pytest.approx(1 - 0.5 * 3 / 15),
        "weighted_ssr": pytest.approx(1 - (1 / 3) / 2 * 3 / 15),
    }
    assert [found["slices"]["level"][str(level)]["hsr"]["mean"] for level in LEVELS] == [1, 1, 0.5, 1, 1]


def test_weighted_shares_are_the_mean_of_the_categories(tmp_path: Path) -> None:
    items = read(written(tmp_path / "rows.json", [*ladder(1), *ladder(2), *ladder(1, "koala", "format")]))
    never = all_met_but(*((level, 1) for level in LEVELS))
    rows = [
        GradedItem(item, "", graded(FOLLOWBENCH, item, "", never if item.cluster == "koala-1" else all_met_but()))
        for item in items
    ]
    metrics = figures(FOLLOWBENCH, rows)["metrics"]
    assert metrics["hsr"]["mean"] == pytest.approx(2 / 3)
    assert metrics["weighted_hsr"]["mean"] == 0.5


@pytest.mark.parametrize(
    ("unread", "lacking", "csl", "unscored"),
    [(4, (2, 1), 1.0, 0), (2, (4, 1), None, 1), (6, (4, 1), 3.0, 0)],
)
def test_a_level_that_is_unscored_counts_where_it_decides(
    tmp_path: Path, unread: int, lacking: tuple[int, int], csl: float | None, unscored: int
) -> None:
    items = read(written(tmp_path / "rows.json", ladder()))
    judge = all_met_but(lacking)
    rows = [
        GradedItem(item, "", graded(FOLLOWBENCH, item, "", (lambda q: None) if level == unread else judge))
        for level, item in enumerate(items, start=1)
    ]
    metrics = figures(FOLLOWBENCH, rows)["metrics"]
    assert (metrics["csl"]["mean"], metrics["csl"]["unscored"]) == (csl, unscored)
    assert (metrics["weighted_hsr"]["mean"] is None) == (unread in LEVELS)


def test_rules_decide_without_a_judge(tmp_path: Path) -> None:
    items = read(written(tmp_path / "rows.json", ladder(1, "E2E", "content")[3:]))  # no path is needed
    assert graded(FOLLOWBENCH, items[0], "x", nobody).marks == {"hsr": [1.0], "ssr": [1.0]}
    assert graded(FOLLOWBENCH, items[0], "y", nobody).marks == {"hsr": [0.0], "ssr": [0.0]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ladder()[2:], "row 1: a judge has to see its ladder; level 0 is not in the file"),
        (ladder(1, "CONLL2003", "content"), "row 2: field 'target' is 'x'; expected a list"),
    ],
)
def test_rows_that_cannot_be_judged_are_refused(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path / "rows.json", rows))


@pytest.mark.skipif(not DATA.exists(), reason="the benchmark's rows are not beside this checkout")
@pytest.mark.parametrize(("lang", "asked", "judged"), [("en", 820, 465), ("zh", 790, 460)])
def test_every_row_is_read_and_graded(lang: str, asked: int, judged: int) -> None:
    items = [item for path in sorted((DATA / lang).iterdir()) for item in read(str(path))]
    assert {item.slices["lang"] for item in items} == {lang}
    assert (len(items), sum("path" in item.row for item in items)) == (asked, judged)
    for reply in ("nonsense", None, '{"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}'):
        for item in items[::7]:
            marks = graded(FOLLOWBENCH, item, "An answer.", lambda question, reply=reply: reply).marks
            assert (marks["hsr"] == [None]) == ("path" in item.row and reply in ("nonsense", None))
