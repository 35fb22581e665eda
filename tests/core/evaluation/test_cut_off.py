"""Which constraint types suffer where the token budget cuts answers off."""

from typing import Any

from ifrl_core.evaluation.cut_off import by_end
from ifrl_core.records import Row
from ifrl_core.report.cut_off import cut_off_section, cut_off_text
from ifrl_core.report.findings import findings

CUT, ENDED = "length", "stop"


def answered(reason: str, title: bool, comma: bool | None = None) -> Row:
    verdicts = [{"type": "title", "kind": "hard", "verdict": title}, {"type": "tone", "kind": "soft", "verdict": None}]
    return {
        "finish_reason": reason,
        "verdicts": verdicts + ([] if comma is None else [{"type": "comma", "kind": "hard", "verdict": comma}]),
    }


ROWS = [answered(CUT, n < 2, comma=n < 10) for n in range(20)] + [answered(ENDED, n < 9) for n in range(10)]


def test_shares_and_counts_are_told_apart_by_how_an_answer_ended() -> None:
    found = by_end(ROWS)
    assert found["by_type"]["title"] == {"cut_off": {"mean": 0.1, "n": 20}, "ended": {"mean": 0.9, "n": 10}}
    assert found["by_type"]["comma"] == {"cut_off": {"mean": 0.5, "n": 20}, "ended": {"mean": None, "n": 0}}
    assert found["overall"]["cut_off"] == {"mean": 0.3, "n": 40}
    assert found["suffers"] == ["title"]
    assert by_end([])["overall"]["ended"] == {"mean": None, "n": 0}


def figures(share: float) -> dict[str, dict[str, Any]]:
    sides = {"before": ROWS[:20], "after": ROWS}
    cut = {"before": 100.0, "after": 100 * share, "n": 30}
    of_sides: dict[str, dict[str, Any]] = {
        side: {"truncated": share, "by_end": by_end(rows)} for side, rows in sides.items()
    }
    return {**of_sides, "comparison": {"answer": {"truncated": cut}}}


def test_the_section_and_its_sentence_name_the_types_that_suffer() -> None:
    section = cut_off_section(figures(2 / 3))
    assert section is not None
    assert [(row["type"], row["suffers"]) for row in section["types"]] == [("title", ["after"]), ("comma", [])]
    assert "30% hold in answers that were cut off (40) and 90% in those that ended (10)" in cut_off_text(section)
    [much], [some] = findings(figures(2 / 3)), findings(figures(0.2))
    assert much.title == "Most answers are cut off by the token budget"
    assert much.text.startswith("100% before and 67% after.")
    assert some.title == "Some types suffer where answers are cut off"
    assert all(found.text.endswith("clear of chance: title.") for found in (much, some))


def test_evaluations_of_older_stores_have_no_section() -> None:
    older = figures(0.9)
    del older["before"]["by_end"]
    assert cut_off_section(older) is None
    assert [found.title for found in findings(older)] == ["Most answers are cut off by the token budget"]
