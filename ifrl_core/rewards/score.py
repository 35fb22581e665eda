"""The reward of a response (paper, section 3.5): the mean over its constraints of what is known about each.

Hard constraints count with their rule's verdict (0 or 1), soft ones with the reward model's probability. Reasoning is cut
off first (reasoning.answer_of). A response without an answer (blank, or reasoning that never ended) satisfies nothing:
all its parts are 0, and the reward model is not asked.

Unscored is None, never 0. A reward with an unscored part is None as a whole: the mean of the others would compare a
response to a group that was scored on more. A recipe may choose other ways to put parts together (aggregate.py), and gates
that multiply the result (gates.py).

Of a dialog whose earlier answers are the policy's own a hard constraint counts with the mean of its verdicts, over answers
that it stood before and the last one; one that is about what was said, and finds nothing there, is not satisfied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple, TypeVar

from ifrl_core.constraints.turns import has_what_it_needs, verdicts_in
from ifrl_core.errors import UnscoredError
from ifrl_core.records import Constraint, Conversation
from ifrl_core.reward_model.model.scorer import Scorer
from ifrl_core.rewards.aggregate import Aggregation, aggregate
from ifrl_core.rewards.calls import calls_a_tool
from ifrl_core.rewards.gates import gate
from ifrl_core.rewards.task_drop import drops_task
from ifrl_core.text.reasoning import THINK, Reasoning, answer_of

Question = TypeVar("Question")


Kept = Sequence[Sequence[bool]]  # by constraint, by answer that it stood before


class Answered(NamedTuple):
    """An answer to a conversation without constraints, and one of those that it was asked for with."""

    asked: Conversation
    constraint: Constraint
    answer: str


InContext = Callable[[Sequence[Answered]], list[float | None]]  # a score in [0, 1] each, None where there is none
OffTask = Callable[[Sequence[str], Sequence[str]], list[bool]]  # of (seeds, answers): which leave the task aside


def off_task_by_words(seeds: Sequence[str], answers: Sequence[str]) -> list[bool]:
    return [drops_task(seed, answer) for seed, answer in zip(seeds, answers, strict=True)]


@dataclass(frozen=True)
class Reward:
    """`parts`: one score in [0, 1] a constraint, in their order, None when unscored; `gate`: the factor of the gates;
    `total`: what the parts come to times that factor, or None; `called`: whether the answer calls a tool (calls.py)."""

    parts: tuple[float | None, ...]
    total: float | None
    gate: float = 1.0
    called: bool = False


@dataclass(frozen=True)
class RewardPlan:
    """How parts become a reward (aggregate.py, gates.py). `weights` by constraint type; `off_task` serves the intent gate;
    `reasoning` is the format of the responses."""

    aggregation: Aggregation = "mean"
    weights: Mapping[str, float] = field(default_factory=dict)
    decay: float = 0.8
    degenerate_factor: float = 1.0
    intent_factor: float = 1.0
    cut_off_factor: float = 1.0
    off_task: OffTask = off_task_by_words
    reasoning: Reasoning = THINK


PAPER = RewardPlan()


def score_responses(
    responses: Sequence[str],
    constraints: Sequence[Sequence[Constraint]],
    reward_model: Scorer | None,
    *,
    seeds: Sequence[str] | None = None,
    cut_off: Sequence[bool] | None = None,
    conversations: Sequence[Conversation | None] | None = None,
    kept: Sequence[Kept | None] | None = None,
    likelihood: InContext | None = None,
    plan: RewardPlan = PAPER,
) -> list[Reward]:
    """Rewards in the order of the responses; `constraints[i]` are those that response i was asked to meet.

    All soft constraints of the batch go to the reward model in one call, or to `likelihood` in its place; without either they
    are unscored. `seeds` are the instructions without constraints, which the intent gate needs; `conversations` are what they
    answer, without constraints too, which types of conversations need and `likelihood`; `cut_off` says which responses the
    token budget ended. `kept`: of dialogs with own answers before the response, what these keep (rollouts/standing.py).

    Raises:
        ValueError: when a response has no constraint: there is nothing to reward; or the intent gate has no seeds,
            or `likelihood` no conversation.
        ConstraintError: for an unknown hard type, bad arguments, or a type that needs a conversation which is not there.
    """
    if seeds is None and plan.intent_factor < 1:
        raise ValueError("the intent gate needs the seed instructions")
    answers = [answer_of(response, plan.reasoning) for response in responses]
    asked = conversations or [None] * len(answers)
    before = kept or [None] * len(answers)
    parts = [_rule_parts(*one, plan.reasoning.calls) for one in zip(answers, constraints, asked, before, strict=True)]
    if likelihood is not None:
        _fill_soft(parts, constraints, lambda row, one: _answered(asked[row], one, answers[row]), likelihood)
    elif reward_model is not None:
        _fill_soft(parts, constraints, lambda row, one: (answers[row], one.text), reward_model.probabilities)
    off_task = [False] * len(answers) if seeds is None or plan.intent_factor == 1 else plan.off_task(seeds, answers)
    called = [calls_a_tool(*one, plan.reasoning.calls) for one in zip(answers, asked, strict=True)]
    seen = map(_Seen, off_task, called, cut_off or [False] * len(answers))
    return [_reward(*row, plan) for row in zip(answers, parts, constraints, seen, strict=True)]


class _Seen(NamedTuple):
    off_task: bool
    called: bool
    cut_off: bool


def _reward(
    answer: str, parts: Sequence[float | None], constraints: Sequence[Constraint], seen: _Seen, plan: RewardPlan
) -> Reward:
    whole = aggregate(parts, constraints, plan.aggregation, weights=plan.weights, decay=plan.decay)
    factor = gate(
        answer,
        off_task=seen.off_task and not seen.called,
        cut_off=seen.cut_off,
        degenerate_factor=plan.degenerate_factor,
        intent_factor=plan.intent_factor,
        cut_off_factor=plan.cut_off_factor,
    )
    return Reward(tuple(parts), None if whole is None else whole * factor, factor, seen.called)


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


def _rule_parts(
    answer: str, constraints: Sequence[Constraint], asked: Conversation | None, kept: Kept | None, template: str
) -> list[float | None]:
    if not constraints:
        raise ValueError("a response without constraints has no reward: leave level 0 out of policy training")
    found = _verdicts(answer, constraints, asked, template, own=kept is not None)
    parts = [None if verdict is None else float(verdict) for verdict in found]
    if kept is None:
        return parts
    return [
        fmean([*before, part]) if part is not None and before else part
        for before, part in zip(kept, parts, strict=True)
    ]


def _verdicts(
    answer: str, constraints: Sequence[Constraint], asked: Conversation | None, template: str, *, own: bool
) -> list[bool | None]:
    """Of one answer; `own`: what was said before it is the policy's, so that a constraint may be about nothing."""
    if not answer.strip():
        return [False] * len(constraints)
    judged = [not own or asked is None or has_what_it_needs(item.type, asked) for item in constraints]
    found = iter(
        verdicts_in(asked, [item for item, is_so in zip(constraints, judged, strict=True) if is_so], answer, template)
    )
    return [next(found) if is_so else False for is_so in judged]


def _answered(asked: Conversation | None, constraint: Constraint, answer: str) -> Answered:
    if asked is None:
        raise ValueError("the likelihood of an answer needs the conversation that it answers")
    return Answered(asked, constraint, answer)


def _fill_soft(
    parts: list[list[float | None]],
    constraints: Sequence[Sequence[Constraint]],
    question: Callable[[int, Constraint], Question],
    scores: Callable[[Sequence[Question]], list[float | None]],
) -> None:
    """Ask about all soft constraints at once."""
    unscored = [
        (row, column)
        for row, of_response in enumerate(parts)
        for column, part in enumerate(of_response)
        if part is None and constraints[row][column].kind == "soft"
    ]
    if not unscored:
        return
    found = scores([question(row, constraints[row][column]) for row, column in unscored])
    for (row, column), score in zip(unscored, found, strict=True):
        parts[row][column] = score
