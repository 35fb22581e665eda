"""Rounds: which stages count in the end, and when a round makes labels worse."""

from typing import Any

import pytest

from ifrl_core.labels.rounds import balanced_agreement, is_worse, label_of, last_round


def figures(positives: float | None, negatives: float | None) -> dict[str, Any]:
    return {"audit": {"overall": {"positives": {"rate": positives}, "negatives": {"rate": negatives}}}}


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
        (figures(0.4, 0.7), figures(0.3, 0.9), True),
        (figures(0.3, 0.9), figures(0.3, 0.9), False),
        (figures(None, None), figures(0.3, 0.9), False),
    ],
)
def test_a_round_is_worse_when_its_labels_agree_less(
    found: dict[str, Any], earlier: dict[str, Any], worse: bool
) -> None:
    assert is_worse(found, earlier) is worse
