"""The strategy that asks what sometimes passes and sometimes does not."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.config import CurriculumConfig
from ifrl_core.policy.curriculum.order import all_levels, rank, share_of_step
from ifrl_core.policy.curriculum.rest import Resting
from ifrl_core.policy.curriculum.strategy import Levels, Outcome
from ifrl_core.records import Row

MOMENTUM = 0.5  # weight of the newest group in a prompt's running pass rate


class Corridor:
    """Prompts never asked come first, then those whose running pass rate lies in (low, high], the longest ago first.

    Running rate r after a group that passed at rate p: r + MOMENTUM * (p - r). `remeasured` of every step goes to the
    other prompts, longest ago first, because the policy improves and their rate does not stay what it was.
    """

    stage = 0

    def __init__(self, pools: Sequence[Sequence[Row]], config: CurriculumConfig, *, max_steps: int, seed: int) -> None:
        self._pool = sorted(pools[0], key=lambda prompt: rank(seed, 0, 0, prompt["prompt_id"]))
        self._config = config
        self._resting = Resting(config.rest)
        self._rates: dict[str, float | None] = {}  # None for what was asked and could not be measured
        self._last_asked: dict[str, int] = {}  # place in the row of all that was asked
        self._places = 0

    @staticmethod
    def stages(levels: Sequence[Sequence[int]]) -> list[Levels]:
        return all_levels(levels)

    def draw(self, step: int, count: int) -> list[Row]:
        awake = [prompt for prompt in self._pool if not self._resting.at(step, prompt)]
        fresh, inside, outside = self._tiers(awake)
        again = min(share_of_step(step, count, self._config.remeasured), len(outside))
        asleep = self._longest_ago([prompt for prompt in self._pool if self._resting.at(step, prompt)])
        order = [*fresh, *inside[: max(0, count - len(fresh) - again)], *outside, *asleep]
        return list(itertools.islice(itertools.cycle(order), count))  # a pool smaller than a step is walked again

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None:
        self._resting.observe(step, outcomes)
        for outcome in outcomes:
            self._last_asked[outcome.prompt_id] = self._places
            self._places += 1
            # A prompt without hard constraints has no pass rate: its mean reward stands in.
            newest = outcome.reward if outcome.pass_rate is None else outcome.pass_rate
            before = self._rates.get(outcome.prompt_id)
            self._rates[outcome.prompt_id] = _running(before, newest)

    def state(self) -> Row:
        return {
            "rates": self._rates,
            "asked": self._last_asked,
            "places": self._places,
            "resting": self._resting.since,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rates, self._last_asked, self._places = dict(state["rates"]), dict(state["asked"]), state["places"]
        self._resting.since = dict(state["resting"])

    def metrics(self, step: int) -> dict[str, float]:
        fresh, inside, _ = self._tiers(self._pool)
        measured = len(self._pool) - len(fresh)
        return {
            "curriculum/unmeasured": float(len(fresh)),
            "curriculum/resting": float(self._resting.count(step)),
            **({"curriculum/in_corridor": len(inside) / measured} if measured else {}),
        }

    def _tiers(self, prompts: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row]]:
        """Never asked, inside the corridor, outside of it."""
        fresh, inside, outside = [], [], []
        for prompt in self._longest_ago(prompts):
            rate = self._rates.get(prompt["prompt_id"])
            if prompt["prompt_id"] not in self._last_asked:
                fresh.append(prompt)
            elif rate is not None and self._config.low < rate <= self._config.high:
                inside.append(prompt)
            else:
                outside.append(prompt)
        return fresh, inside, outside

    def _longest_ago(self, prompts: Sequence[Row]) -> list[Row]:
        return sorted(prompts, key=lambda prompt: self._last_asked.get(prompt["prompt_id"], -1))


def _running(before: float | None, newest: float | None) -> float | None:
    if before is None or newest is None:
        return before if newest is None else newest
    return before + MOMENTUM * (newest - before)
