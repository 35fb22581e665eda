"""The reward of a response (paper, section 3.5): the mean over its constraints of what is known about each.

Hard constraints count with their rule's verdict (0 or 1), soft ones with the reward model's probability. Reasoning is cut
off first (verifiers.answer_of). A response without an answer (blank, or reasoning that never ended) satisfies nothing:
all its parts are 0, and the reward model is not asked.

Unscored is None, never 0. A reward with an unscored part is None as a whole: the mean of the others would compare a
response to a group that was scored on more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from ifrl_core.constraints.model import Constraint
from ifrl_core.errors import UnscoredError
from ifrl_core.verifiers import answer_of, verdicts


class RewardModel(Protocol):
    """What scores soft constraints (ifrl_core.reward_model.score.RewardModel)."""

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """P(satisfied) of each (response, constraint text), None where it could not be scored."""
        ...


@dataclass(frozen=True)
class Reward:
    """`parts`: one score in [0, 1] a constraint, in their order, None when unscored; `total`: their mean or None."""

    parts: tuple[float | None, ...]
    total: float | None


def score_responses(
    responses: Sequence[str], constraints: Sequence[Sequence[Constraint]], reward_model: RewardModel | None
) -> list[Reward]:
    """Rewards in the order of the responses; `constraints[i]` are those that response i was asked to meet.

    All soft constraints of the batch go to the reward model in one call; without one they are unscored.

    Raises:
        ValueError: when a response has no constraint: there is nothing to reward.
        ConstraintError: for an unknown hard type or bad arguments.
    """
    answers = [answer_of(response) for response in responses]
    parts = [_rule_parts(answer, asked) for answer, asked in zip(answers, constraints, strict=True)]
    if reward_model is not None:
        _fill_soft(parts, answers, constraints, reward_model)
    return [Reward(tuple(of_response), _mean(of_response)) for of_response in parts]


def check_unscored(rewards: Sequence[Reward], max_share: float) -> float:
    """The share of unscored rewards.

    Raises:
        UnscoredError: when it is above `max_share`: training would go on without the constraints that are hardest to
            score, or on nothing at all.
    """
    unscored = sum(reward.total is None for reward in rewards)
    share = unscored / len(rewards)
    if share > max_share:
        raise UnscoredError(
            f"{unscored} of {len(rewards)} rewards of one step could not be scored ({share:.0%}; "
            f"policy.max_unscored_share allows {max_share:.0%}). Unscored answers are left out, never counted as bad: "
            "look at the reward model's output, or raise the share if this is expected"
        )
    return share


def _rule_parts(answer: str | None, constraints: Sequence[Constraint]) -> list[float | None]:
    if not constraints:
        raise ValueError("a response without constraints has no reward: leave level 0 out of policy training")
    if answer is None or not answer.strip():
        return [0.0] * len(constraints)
    return [None if verdict is None else float(verdict) for verdict in verdicts(constraints, answer)]


def _fill_soft(
    parts: list[list[float | None]],
    answers: Sequence[str | None],
    constraints: Sequence[Sequence[Constraint]],
    reward_model: RewardModel,
) -> None:
    asked = [
        (row, column)
        for row, of_response in enumerate(parts)
        for column, part in enumerate(of_response)
        if part is None and constraints[row][column].kind == "soft"
    ]
    pairs = [(answers[row] or "", constraints[row][column].text) for row, column in asked]
    if not pairs:
        return
    for (row, column), probability in zip(asked, reward_model.probabilities(pairs), strict=True):
        parts[row][column] = probability


def _mean(parts: Sequence[float | None]) -> float | None:
    scored = [part for part in parts if part is not None]
    return fmean(scored) if len(scored) == len(parts) else None
