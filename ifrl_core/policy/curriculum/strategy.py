"""What a strategy of the curriculum is, and what it is told of each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ifrl_core.config import CurriculumConfig
from ifrl_core.records import Row

Levels = tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What a step showed of one prompt: means over its group of rollouts, None where nothing was scored.

    `pass_rate`: of hard constraints; `flat`: all rollouts earned the same.
    """

    prompt_id: str
    reward: float | None
    pass_rate: float | None
    flat: bool


class Strategy(Protocol):
    """Prompts are drawn once a step, and what they showed is observed before the next are drawn."""

    def __init__(self, pools: Sequence[Sequence[Row]], config: CurriculumConfig, *, max_steps: int, seed: int) -> None:
        """`pools`: prompts of each curriculum stage, none of them empty."""

    @staticmethod
    def stages(levels: Sequence[Sequence[int]]) -> list[Levels]:
        """The curriculum stages that the strategy makes of a recipe's levels."""

    @property
    def stage(self) -> int:
        """The present curriculum stage, from 0."""

    def draw(self, step: int, count: int) -> list[Row]: ...

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None: ...

    def state(self) -> Row:
        """All that `restore` needs, as JSON."""

    def restore(self, state: Mapping[str, Any]) -> None: ...

    def metrics(self, step: int) -> dict[str, float]: ...
