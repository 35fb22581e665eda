"""What a step asks: prompts of the strategy, and general problems mixed in (paper: math and science)."""

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.policy.curriculum.order import share_of_step, walk
from ifrl_core.policy.curriculum.strategy import Outcome, Strategy
from ifrl_core.records import Row


class Schedule:
    """What the present step asks: prompts of the strategy, then general problems by their ratio.

    `prompts` stay the same until the step is observed. Rows of problems have a `check`, rows of instructions have none.
    """

    def __init__(
        self, strategy: Strategy, problems: Sequence[Row], *, prompts_per_step: int, ratio: float, seed: int
    ) -> None:
        self._strategy, self._problems, self._seed = strategy, problems, seed
        self._prompts_per_step, self._ratio = prompts_per_step, ratio
        self.step = self._place = 0
        self.prompts = self._draw()

    @property
    def stage(self) -> int:
        """The present curriculum stage, from 0."""
        return self._strategy.stage

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Go on to the next step with what this one showed of its instructions (problems are not observed)."""
        self._strategy.observe(self.step, outcomes)
        self.step += 1
        self.prompts = self._draw()

    def metrics(self) -> dict[str, float]:
        """`stage`, `level` (mean of the step's instructions) and what the strategy says of itself, before the step."""
        levels = [row["level"] for row in self.prompts if not row.get("check")]
        return {
            "stage": float(self.stage),
            **({"level": fmean(levels)} if levels else {}),
            **self._strategy.metrics(self.step),
        }

    def state(self) -> Row:
        """All that `restore` needs, as JSON."""
        return {
            "step": self.step,
            "place": self._place,
            "asked": [row["prompt_id"] for row in self.prompts],
            "curriculum": self._strategy.state(),
        }

    def restore(self, state: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
        """Go back to a state; `rows` by prompt_id, instructions and problems."""
        self.step, self._place = state["step"], state["place"]
        self.prompts = [rows[prompt_id] for prompt_id in state["asked"]]
        self._strategy.restore(state["curriculum"])

    def _draw(self) -> list[Row]:
        mixed = share_of_step(self.step, self._prompts_per_step, self._ratio)
        problems = list(itertools.islice(walk(self._problems, self._seed, "general", self._place), mixed))
        self._place += mixed
        return [*self._strategy.draw(self.step, self._prompts_per_step - mixed), *problems]
