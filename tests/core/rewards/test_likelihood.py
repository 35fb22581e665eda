"""Soft constraints scored by the likelihood of the answer."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Constraint, Conversation
from ifrl_core.rewards import score_responses
from ifrl_core.rewards.likelihood import LikelihoodScorer, of_other_values, score_of
from ifrl_core.rewards.score import Answered

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
LOUD = Constraint("tone:tone", "soft", "Use capital letters.")
RIVER = Conversation(({"role": "user", "content": "Name a river."},))


class Half:
    """A scorer that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Answered] = []

    def scores(self, answered: Sequence[Answered]) -> list[float | None]:
        self.asked += answered
        return [0.5] * len(answered)


def test_alternatives_that_make_no_difference_score_a_half_and_length_alone_does_not_make_it_sure() -> None:
    assert score_of([[0.0] * 9]) == 0.5
    assert score_of([[0.25] * 4]) == pytest.approx(score_of([[0.125] * 16]))
    assert score_of([[3.0, 0.0], [-1.0, -2.0]]) == 0.5
    assert (score_of([[900.0]]), score_of([[-900.0]]), score_of([])) == (1.0, 0.0, None)


def test_what_is_asked_for_instead_is_the_same_words_with_other_values() -> None:
    place = CATALOG["situation:setting"].constraint({"setting": "a desert town"}, 2)
    assert [other.text for other in of_other_values(place)] == [
        "Imagine all this in a small fishing village.",
        "Imagine all this in a crowded city.",
    ]
    assert of_other_values(LOUD) == of_other_values(replace(place, text="Imagine it elsewhere.")) == []


def test_the_likelihood_is_asked_in_the_reward_models_place_with_the_conversation_and_the_answer_alone() -> None:
    likelihood = Half()
    responses, constraints = ["<think>hm</think>THE RHINE", ""], [[NO_COMMA, LOUD], [LOUD]]
    rewards = score_responses(responses, constraints, None, conversations=[RIVER] * 2, likelihood=likelihood.scores)
    assert [reward.parts for reward in rewards] == [(1.0, 0.5), (0.0,)]
    assert likelihood.asked == [Answered(RIVER, LOUD, "THE RHINE")]
    with pytest.raises(ValueError, match="needs the conversation"):
        score_responses(["THE RHINE"], [[LOUD]], None, likelihood=likelihood.scores)


@pytest.mark.model
def test_each_constraint_is_asked_for_alone_as_prompts_put_it(
    model_store: ArtifactStore, small_model: ArtifactRef
) -> None:
    folder = model_folder(small_model, model_store)
    asked = [{"role": "user", "content": "Name a river.\n\nRequirements:\n- Use capital letters."}]
    [contrast] = Likelihood(folder).of_tokens([Asked(RIVER.messages, asked, "THE RHINE")])
    assert contrast is not None
    [score, same] = LikelihoodScorer(folder, "list").scores([Answered(RIVER, LOUD, "THE RHINE")] * 2)
    assert score == same == score_of([contrast.tolist()]) != 0.5
