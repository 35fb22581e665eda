"""The gate: what promotes a challenger, and that nothing else does."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.config import RegistryConfig, RetrainConfig
from ifrl_core.evaluation.difference import difference
from ifrl_core.promotion.gate import ACCURACY, HACKS, LENGTH, PRIMARY, decide
from ifrl_core.promotion.looks import IN_ALL, error_of_look
from ifrl_core.statistics.intervals import student_quantile
from ifrl_core.statistics.power import units_needed

GATE = RetrainConfig()
OPEN = RetrainConfig(accuracy_margin=None, length_margin=None, hack_margin=None)
Row = dict[str, Any]


def row(before: float, mean: float, half: float, units: int = 50) -> Row:
    """A difference whose 95% interval is `mean` and `half` on either side."""
    error = half / student_quantile(0.975, units - 1)
    span = {"mean": mean, "low": mean - half, "high": mean + half, "error": error, "skewness": 0.0}
    return {"before": before, "after": before + mean, **span, "n": 4 * units, "units": units, "fell": 1, "rose": 1}


def comparison(
    hard: Row | None = None, general: Row | None = None, length: Row | None = None, hacked: Row | None = None
) -> Row:
    """One that promotes, where nothing else is given."""
    answer = {"length_words": length or row(100, 0, 5), "hacked": hacked or row(5, 0, 1)}
    overall = hard or row(40, 10, 5)
    return {"hard": {"overall": overall}, "general": {"overall": general or row(50, 0, 2)}, "answer": answer}


finite = st.floats(-30, 30, allow_nan=False)
positive = st.floats(0.1, 40)
units = st.integers(2, 400)
rows = st.builds(row, st.floats(1, 99), finite, positive, units)


@given(rows, rows, rows, rows)
def test_promoted_exactly_when_the_bad_end_of_every_interval_is_good_enough(
    hard: Row, general: Row, length: Row, hacked: Row
) -> None:
    share = [100 * length[end] / length["before"] for end in ("low", "high")]
    wanted = {
        PRIMARY: hard["low"] > 0 and hard["units"] >= GATE.min_held_out,
        ACCURACY: general["low"] >= -(GATE.accuracy_margin or 0),
        LENGTH: max(abs(end) for end in share) <= (GATE.length_margin or 0),
        HACKS: hacked["high"] <= (GATE.hack_margin or 0),
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
    wider = RetrainConfig(accuracy_margin=3 + more, length_margin=30 + more, hack_margin=5 + more)
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
        (comparison(hard=row(40, 10, 5, units=8)), "inconclusive: needs 20, at least 20 are needed"),
        (
            comparison(general=row(50, -4, 6)),
            "general accuracy: 50.0 % to 46.0 %, -4.0 [-10.0, +2.0] points; it may",
        ),
        # spread 6 / 2.0096 x sqrt(50) = 21.1 points, so ((1.960 + 0.842) x 21.1 / 3)^2 and two more
        (comparison(general=row(50, 0, 6)), "it may fall by 3; inconclusive: needs 391 problems, not 50"),
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
    assert decide(comparison(general=difference([])), GATE).reasons == (f"{ACCURACY}: could not be measured",)


@pytest.mark.parametrize(
    ("figures", "outcomes", "said"),
    [
        (comparison(), ["passed"] * 4, "promoted"),
        (comparison(general=row(50, 0, 6)), ["passed", "inconclusive", "passed", "passed"], "refused, inconclusive"),
        (comparison(general=row(50, -4, 6)), ["passed", "inconclusive", "passed", "passed"], "refused, inconclusive"),
        (comparison(general=row(50, -9, 2)), ["passed", "failed", "passed", "passed"], "refused"),
        (comparison(hard=row(40, 2, 5)), ["inconclusive", "passed", "passed", "passed"], "refused, inconclusive"),
        (comparison(hard=row(40, -2, 5)), ["failed", "passed", "passed", "passed"], "refused"),
    ],
)
def test_too_few_to_tell_is_named_apart_from_worse(figures: Row, outcomes: list[str], said: str) -> None:
    found = decide(figures, GATE)
    assert [check.outcome for check in found.checks] == outcomes
    assert found.said == said
    assert all((check.needed is not None) == (check.outcome == "inconclusive") for check in found.checks)
    assert json.loads(json.dumps(found.shown()))["said"] == said


def problems(random: np.random.Generator, number: int, lost: float, gained: float) -> Row:
    """The comparison of champion and challenger on problems of which shares are lost and gained."""
    shares = [lost, gained, (1 - lost - gained) / 2, (1 - lost - gained) / 2]
    kinds = random.choice(["lost", "gained", "right", "wrong"], number, p=shares)
    sides = [(kind in ("lost", "right"), kind in ("gained", "right")) for kind in kinds]
    pairs = [{"before": before, "after": after, "cluster": str(i)} for i, (before, after) in enumerate(sides)]
    return difference(pairs)


def test_a_true_loss_of_six_points_on_sixty_problems_hardly_ever_passes() -> None:
    random = np.random.default_rng(0)
    guard = RetrainConfig(accuracy_margin=3.0, length_margin=None, hack_margin=None)
    passed = [decide(comparison(general=problems(random, 60, 0.10, 0.04)), guard).checks[1].passed for _ in range(200)]
    assert np.mean(passed) <= 0.01


def test_as_many_problems_as_asked_for_pass_an_equal_and_stop_one_that_lost_the_margin() -> None:
    random = np.random.default_rng(1)
    guard = RetrainConfig(accuracy_margin=10.0, length_margin=None, hack_margin=None)
    number = units_needed(100 * math.sqrt(0.12), 10)
    equal, worse = (
        [decide(comparison(general=problems(random, number, lost, 0.06)), guard).checks[1].passed for _ in range(200)]
        for lost in (0.06, 0.16)
    )
    assert np.mean(equal) >= 0.65
    assert np.mean(worse) <= 0.06  # 2.5 %, three standard deviations above


def test_all_looks_together_are_wrong_at_most_as_often_as_promised() -> None:
    errors = [error_of_look(look) for look in range(1, 2_000)]
    assert errors[0] == 0.025
    assert errors[2] == pytest.approx(0.05 / 12)
    assert 0.99 * IN_ALL < sum(errors) < IN_ALL


def test_a_further_look_asks_for_more() -> None:
    figures = comparison(hard=row(40, 10, 9))  # 1.11 half widths, and 2.23 errors, above 0
    assert decide(figures, GATE).promote
    third = decide(figures, GATE, look=3)
    assert not third.promote
    check = third.checks[0]
    assert check.error == error_of_look(3)
    assert "(look 3 of this held-out set: level 0.42 %)" in check.finding
    assert check.low is not None
    assert check.low < figures["hard"]["overall"]["low"]
    assert [other.error for other in third.checks[1:]] == [0.025] * 3


def test_an_ordinary_run_cannot_name_itself_champion() -> None:
    with pytest.raises(ValueError, match="ifrl retrain"):
        RegistryConfig(alias="champion")
