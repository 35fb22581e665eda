"""The gate: what promotes a challenger, and that nothing else does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.config import RegistryConfig, RetrainConfig
from ifrl_core.promotion.gate import ACCURACY, HACKS, LENGTH, PRIMARY, decide

GATE = RetrainConfig()
OPEN = RetrainConfig(accuracy_margin=None, length_margin=None, hack_margin=None)
Row = dict[str, Any]


def row(before: float, mean: float, half: float, units: int = 50) -> Row:
    span = {"mean": mean, "low": mean - half, "high": mean + half}
    return {"before": before, "after": before + mean, **span, "n": 4 * units, "units": units}


def comparison(
    hard: Row | None = None, general: Row | None = None, length: Row | None = None, hacked: Row | None = None
) -> Row:
    """One that promotes, where nothing else is given."""
    answer = {"length_words": length or row(100, 0, 5), "hacked": hacked or row(5, 0, 1)}
    overall = hard or row(40, 10, 5)
    return {"hard": {"overall": overall}, "general": {"overall": general or row(50, 0, 2)}, "answer": answer}


finite = st.floats(-60, 60, allow_nan=False)
positive = st.floats(0.1, 60)
units = st.integers(2, 400)
rows = st.builds(row, st.floats(1, 99), finite, positive, units)


@given(rows, rows, rows, rows)
def test_promoted_exactly_when_the_interval_is_clear_of_0_and_no_guard_is_over_its_margin(
    hard: Row, general: Row, length: Row, hacked: Row
) -> None:
    wanted = {
        PRIMARY: hard["low"] > 0 and hard["units"] >= GATE.min_held_out,
        ACCURACY: general["mean"] >= -(GATE.accuracy_margin or 0),
        LENGTH: abs(100 * length["mean"] / length["before"]) <= (GATE.length_margin or 0),
        HACKS: hacked["mean"] <= (GATE.hack_margin or 0),
    }
    found = decide(comparison(hard, general, length, hacked), GATE)
    assert {check.metric: check.passed for check in found.checks} == wanted
    assert found.promote == all(wanted.values())


@given(rows, rows, rows, rows)
def test_a_refusal_names_each_metric_that_speaks_against_it(hard: Row, general: Row, length: Row, hacked: Row) -> None:
    found = decide(comparison(hard, general, length, hacked), GATE)
    assert found.promote == (not found.reasons)
    failed = [check.metric for check in found.checks if not check.passed]
    assert [reason.partition(":")[0] for reason in found.reasons] == failed


@given(rows, rows, rows, rows, st.floats(0, 50))
def test_wider_margins_never_turn_a_promotion_into_a_refusal(
    hard: Row, general: Row, length: Row, hacked: Row, more: float
) -> None:
    wider = RetrainConfig(accuracy_margin=3 + more, length_margin=30 + more, hack_margin=2 + more)
    figures = comparison(hard, general, length, hacked)
    assert decide(figures, wider).promote >= decide(figures, GATE).promote


@given(rows)
def test_without_guards_the_primary_metric_alone_decides(hard: Row) -> None:
    found = decide({"hard": {"overall": hard}}, OPEN)
    assert [check.metric for check in found.checks] == [PRIMARY]
    assert found.promote == (hard["low"] > 0 and hard["units"] >= OPEN.min_held_out)


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        (
            comparison(hard=row(40, 2, 5)),
            "hard constraints: +2.0 points [-3.0, +7.0] over 50 held-out instructions: not ",
        ),
        (comparison(hard=row(40, -9, 5)), "worse, the interval lies below 0"),
        (comparison(hard=row(40, 10, 5, units=8)), "at least 20 are needed"),
        (
            comparison(general=row(50, -4, 6)),
            "general accuracy: 50.0 % to 46.0 %, -4.0 [-10.0, +2.0] points; it may",
        ),
        (comparison(length=row(100, 45, 5)), "response length: answers became 45.0 % longer, 100.0 to 145.0 words"),
        (comparison(length=row(100, -45, 5)), "answers became 45.0 % shorter"),
        (comparison(hacked=row(5, 7, 3)), "hack rate: answers that trip a wire: 5.0 % to 12.0 %"),
    ],
)
def test_why_not_is_said_by_metric_and_figure(figures: Row, says: str) -> None:
    found = decide(figures, GATE)
    assert not found.promote
    (reason,) = found.reasons
    assert says in reason


@pytest.mark.parametrize("missing", ["hard", "general", "answer"])
def test_what_could_not_be_measured_speaks_against_the_challenger(missing: str) -> None:
    figures = comparison()
    del figures[missing]
    found = decide(figures, GATE)
    assert not found.promote
    assert all("could not be measured" in reason for reason in found.reasons)


def test_nothing_to_count_is_not_measured() -> None:
    empty = {"before": None, "after": None, "mean": None, "low": None, "high": None, "n": 0, "units": 0}
    assert decide(comparison(general=empty), GATE).reasons == (f"{ACCURACY}: could not be measured",)


def test_an_ordinary_run_cannot_name_itself_champion() -> None:
    with pytest.raises(ValueError, match="ifrl retrain"):
        RegistryConfig(alias="champion")
