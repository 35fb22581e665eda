"""Rewards of responses to problems: 1 when the answer is right, else 0, times the gates that make sense here.

The gate for answers that go round in circles applies, and a response that ends inside its reasoning earns nothing. The
intent gate does not: "Answer: 42" shares no word with its question and does not leave it aside.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from ifrl_core.rewards.gates import gate
from ifrl_core.rewards.problems.verify import Grader
from ifrl_core.rewards.score import Reward, RewardPlan
from ifrl_core.text.reasoning import answer_of


def score_problems(
    responses: Sequence[str], kinds: Sequence[str], answers: Sequence[str], grader: Grader, plan: RewardPlan
) -> list[Reward]:
    """Rewards in the order of the responses; each has one part, the correctness, None when it was not found out in time."""
    return [
        _reward(answer_of(response, plan.reasoning), kind, answer, grader, plan)
        for response, kind, answer in zip(responses, kinds, answers, strict=True)
    ]


def problem_metrics(rewards: Sequence[Reward], sources: Sequence[str]) -> dict[str, float]:
    """`general/accuracy` and `general/accuracy/<source>` of what was scored."""
    parts_of: dict[str, list[float]] = defaultdict(list)
    for reward, source in zip(rewards, sources, strict=True):
        if reward.parts[0] is not None:
            parts_of["general/accuracy"].append(reward.parts[0])
            parts_of[f"general/accuracy/{source}"].append(reward.parts[0])
    return {name: fmean(values) for name, values in sorted(parts_of.items())}


def _reward(response: str, kind: str, answer: str, grader: Grader, plan: RewardPlan) -> Reward:
    correct = grader.correct(response, kind, answer)
    part = None if correct is None else float(correct)
    factor = gate(response, off_task=False, degenerate_factor=plan.degenerate_factor, intent_factor=1.0)
    return Reward((part,), None if part is None else part * factor, factor)
