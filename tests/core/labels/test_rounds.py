"""Rounds: which stages count in the end, and when a round makes labels worse."""

from typing import Any

import pytest

from ifrl_core.labels.rounds import balanced_agreement, is_worse, label_of, last_round


def figures(positives: float | None, negatives: float | None) -> dict[str, Any]:
    sides = {"positives": positives, "negatives": negatives}
    return {"audit": {"overall": {side: {"rate": rate, "total": 100} for side, rate in sides.items()}}}


def audited(mean: float, error: float) -> dict[str, Any]:
    """Figures with the agreement's error over 40 instructions, which the shares' own intervals are too narrow for."""
    known = {"mean": mean, "error": error, "skewness": 0.0, "units": 40}
    return {"audit": figures(mean, mean)["audit"] | {"balanced": known}}


def test_the_last_whole_round_counts_and_every_rounds_labels_are_kept() -> None:
    stages = ["seeds", "rollouts", "labels", "reward-model", "policy"]
    second = [label_of(stage, 2) for stage in stages[1:]]
    third = [label_of(stage, 3) for stage in ("rollouts", "labels")]  # worse: no reward model, no policy
    plain, labels = last_round({name: name for name in [*stages, *second, *third]})
    assert plain == {"seeds": "seeds", **{stage: f"{stage}-2" for stage in stages[1:]}}
    assert labels == ["labels", "labels-2", "labels-3"]


def test_one_round_is_as_it_was() -> None:
    stages = {name: name for name in ("seeds", "labels", "evaluation-before", "policy")}
    assert last_round(stages) == (stages, ["labels"])
    assert last_round({"seeds": "seeds"}) == ({"seeds": "seeds"}, [])


def test_agreement_is_balanced_so_that_base_rates_cannot_buy_it() -> None:
    assert balanced_agreement(figures(0.25, 0.95)) == pytest.approx(0.6)
    assert balanced_agreement(figures(1.0, 0.0)) == balanced_agreement(figures(0.0, 1.0)) == 0.5
    assert balanced_agreement(figures(None, 0.9)) is None


@pytest.mark.parametrize(
    ("found", "earlier", "worse"),
    [
        (figures(0.4, 0.9), figures(0.3, 0.9), False),
        (figures(0.4, 0.6), figures(0.3, 0.9), True),  # 0.5 after 0.6, errors 0.035 and 0.027
        (figures(0.4, 0.78), figures(0.3, 0.9), False),  # 0.59 after 0.6: no one can say
        (figures(0.3, 0.9), figures(0.3, 0.9), False),
        (audited(0.6, 0.02), audited(0.7, 0.02), True),
        (audited(0.6, 0.05), audited(0.7, 0.05), False),
        (figures(None, None), figures(0.3, 0.9), False),
    ],
)
def test_a_round_is_worse_when_its_labels_for_sure_agree_less(
    found: dict[str, Any], earlier: dict[str, Any], worse: bool
) -> None:
    assert is_worse(found, earlier) is worse
