"""Strategies that walk one pool of prompts after another: incremental, mixed, final."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.config import CurriculumConfig
from ifrl_core.policy.curriculum.order import all_levels, walk
from ifrl_core.policy.curriculum.rest import Resting
from ifrl_core.policy.curriculum.strategy import Levels, Outcome
from ifrl_core.records import Row


class Incremental:
    """Prompts of few constraints first, one curriculum stage after another (paper, section 3.2: level 1 to level 5).

    Stage s of S, entered at step t of T, ends after ceil((T - t) / (S - s)) steps: an even share of those that are left.
    With `promote_at` it ends earlier, as soon as its mean reward over the last `window` steps reaches that.
    A pool is walked in an order drawn by hash, and in another order when it runs out.
    """

    def __init__(self, pools: Sequence[Sequence[Row]], config: CurriculumConfig, *, max_steps: int, seed: int) -> None:
        self._pools, self._config, self._max_steps, self._seed = pools, config, max_steps, seed
        self._resting = Resting(config.rest)
        self._stage = self._place = self._until = 0
        self._recent: list[float] = []  # mean rewards of the curriculum stage's last steps
        self._enter(0, step=0)

    @staticmethod
    def stages(levels: Sequence[Sequence[int]]) -> list[Levels]:
        return [tuple(of_stage) for of_stage in levels]

    @property
    def stage(self) -> int:
        return self._stage

    def draw(self, step: int, count: int) -> list[Row]:
        pool = self._pools[self._stage]
        prompts = walk(pool, self._seed, self._stage, self._place)
        chosen: list[Row] = []
        passed_over = 0
        while len(chosen) < count:
            self._place += 1
            prompt = next(prompts)
            if self._resting.at(step, prompt) and passed_over < len(pool):
                passed_over += 1
            else:
                chosen.append(prompt)
        return chosen

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None:
        self._resting.observe(step, outcomes)
        rewards = [outcome.reward for outcome in outcomes if outcome.reward is not None]
        if rewards:
            self._recent = [*self._recent, fmean(rewards)][-self._config.window :]
        following = step + 1
        if self._stage + 1 < len(self._pools) and (following >= self._until or self._promoted()):
            self._enter(self._stage + 1, step=following)

    def state(self) -> Row:
        return {
            "stage": self._stage,
            "until": self._until,
            "place": self._place,
            "recent": self._recent,
            "resting": self._resting.since,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._stage, self._until, self._place = state["stage"], state["until"], state["place"]
        self._recent, self._resting.since = list(state["recent"]), dict(state["resting"])

    def metrics(self, step: int) -> dict[str, float]:
        return {"curriculum/resting": float(self._resting.count(step))} if self._config.rest else {}

    def _enter(self, stage: int, *, step: int) -> None:
        """An even share of the steps that are left: [3, 3, 2] for 8 steps and 3 stages when none is left early."""
        self._stage, self._place, self._recent = stage, 0, []
        self._until = step + math.ceil((self._max_steps - step) / (len(self._pools) - stage))

    def _promoted(self) -> bool:
        threshold, window = self._config.promote_at, self._config.window
        return threshold is not None and len(self._recent) == window and fmean(self._recent) >= threshold


class Mixed(Incremental):
    """All levels in one curriculum stage (without a curriculum, in the paper's ablation)."""

    @staticmethod
    def stages(levels: Sequence[Sequence[int]]) -> list[Levels]:
        return all_levels(levels)


class Final(Incremental):
    """The last curriculum stage of the recipe alone (only the hardest prompts, in the paper's ablation)."""

    @staticmethod
    def stages(levels: Sequence[Sequence[int]]) -> list[Levels]:
        return [tuple(levels[-1])]
