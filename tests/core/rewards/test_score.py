"""Reward arithmetic, by hand."""

from collections.abc import Sequence

import pytest

from ifrl_core.errors import UnscoredError
from ifrl_core.records import Constraint
from ifrl_core.rewards import Reward, score_responses
from ifrl_core.rewards.score import check_unscored
from ifrl_core.rewards.step_figures import hack_metrics, reward_metrics, zero_variance_share
from ifrl_core.text.reasoning import THINK

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
LOWER = Constraint("change_case:english_lowercase", "hard", "Use lower case only.")
KIND = Constraint("tone:kind", "soft", "Sound kind.")


class Probabilities:
    """A reward model that answers by the constraint's text, and remembers what it was asked."""

    def __init__(self, by_text: dict[str, float | None]) -> None:
        self.by_text = by_text
        self.asked: list[tuple[str, str]] = []

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        self.asked += pairs
        return [self.by_text[text] for _, text in pairs]


def test_a_reward_is_the_mean_of_verdicts_and_probabilities() -> None:
    model = Probabilities({"Sound kind.": 0.7})
    (reward,) = score_responses(["Yes, of course."], [[NO_COMMA, LOWER, KIND]], model)
    assert reward.parts == (0.0, 0.0, 0.7)
    assert reward.total == pytest.approx(0.7 / 3)
    (better,) = score_responses(["a very kind word for you"], [[NO_COMMA, LOWER, KIND]], model)
    assert better.parts == (1.0, 1.0, 0.7)
    assert better.total == pytest.approx(2.7 / 3)


def test_soft_constraints_of_a_batch_are_asked_in_one_order_and_hard_ones_are_not_asked() -> None:
    model = Probabilities({"Sound kind.": 0.25})
    score_responses(["one", "two"], [[KIND, NO_COMMA], [KIND]], model)
    assert model.asked == [("one", "Sound kind."), ("two", "Sound kind.")]


def test_an_unscored_part_makes_the_reward_none_not_zero() -> None:
    for model in (None, Probabilities({"Sound kind.": None})):
        (reward,) = score_responses(["all well here"], [[NO_COMMA, KIND]], model)
        assert reward == Reward(parts=(1.0, None), total=None)


def test_reasoning_is_cut_off_before_scoring() -> None:
    model = Probabilities({"Sound kind.": 0.5})
    (reward,) = score_responses(["<think>well, let us see, hm</think>no commas"], [[NO_COMMA, KIND]], model)
    assert reward.parts == (1.0, 0.5)
    assert model.asked == [("no commas", "Sound kind.")]


@pytest.mark.parametrize("response", ["", "  \n", "<think>it never ends"])
def test_a_response_without_an_answer_satisfies_nothing(response: str) -> None:
    model = Probabilities({})
    (reward,) = score_responses([response], [[NO_COMMA, KIND]], model)
    assert reward == Reward(parts=(0.0, 0.0), total=0.0)
    assert model.asked == []


def test_a_response_without_constraints_is_refused() -> None:
    with pytest.raises(ValueError, match="leave level 0 out"):
        score_responses(["hello"], [[]], None)


def test_unscored_rewards_stop_above_the_stated_share() -> None:
    rewards = [Reward((1.0,), 1.0)] * 3 + [Reward((None,), None)]
    assert check_unscored(rewards, 0.25) == 0.25
    with pytest.raises(UnscoredError, match=r"1 of 4 rewards .* \(25%; policy.max_unscored_share allows 20%\)"):
        check_unscored(rewards, 0.2)


def test_metrics_average_scored_parts_by_kind_type_and_level() -> None:
    rewards = [Reward((1.0, 0.5), 0.75), Reward((0.0,), 0.0), Reward((1.0, None), None)]
    metrics = reward_metrics(rewards, [[NO_COMMA, KIND], [NO_COMMA], [LOWER, KIND]], [2, 1, 2])
    assert metrics == {
        "reward/hard": pytest.approx(2 / 3),
        "reward/soft": 0.5,
        "reward/type/punctuation:no_comma": 0.5,
        "reward/type/change_case:english_lowercase": 1.0,
        "reward/type/tone:kind": 0.5,
        "reward/level/1": 0.0,
        "reward/level/2": 0.75,
        "unscored_share": pytest.approx(1 / 3),
    }


def test_hack_metrics_count_words_and_dropped_tasks() -> None:
    seeds = ["Write about rivers.", "Write about rivers."]
    responses = ["That is all.", "<think>hm</think>A river carries water to the sea."]
    rewards = score_responses(responses, [[NO_COMMA]] * 2, None)
    metrics = hack_metrics(seeds, responses, [[NO_COMMA]] * 2, rewards, THINK)
    assert (metrics["length/words"], metrics["task_dropped"], metrics["gated"]) == (5.0, 0.5, 0.0)


def test_groups_without_spread_are_counted_and_unscored_rewards_give_none() -> None:
    totals = [0.5, 0.5, 0.0, 1.0, None, 0.3]
    rewards = [Reward((total,), total) for total in totals]
    assert zero_variance_share(["a", "a", "b", "b", "c", "c"], rewards) == pytest.approx(2 / 3)
