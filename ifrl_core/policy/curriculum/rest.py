"""Prompts that are passed over for a while.

A group of rollouts that all earn the same teaches GRPO nothing. With `rest` such a prompt is passed over for that many
steps and the next one of the pool takes its place; when too few others are left it is asked all the same. (Sampling
again within the step, as DAPO does (arXiv 2503.14476), would cost a second round of generation for some steps.)
"""

from collections.abc import Sequence

from ifrl_core.policy.curriculum.strategy import Outcome
from ifrl_core.records import Row


class Resting:
    """Prompts whose last group was flat, and the step that showed it."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.since: dict[str, int] = {}

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.flat and self._steps:
                self.since[outcome.prompt_id] = step
            else:
                self.since.pop(outcome.prompt_id, None)

    def at(self, step: int, prompt: Row) -> bool:
        return prompt["prompt_id"] in self.since and step - self.since[prompt["prompt_id"]] <= self._steps

    def count(self, step: int) -> int:
        return sum(step - since <= self._steps for since in self.since.values())
