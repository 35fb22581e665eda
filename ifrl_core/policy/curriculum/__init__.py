"""Which prompts each step asks: a strategy (paper, section 3.2, and three others), and the mix with general problems.

strategy   what a strategy is: it draws a step's prompts, sees what they showed, and puts its state in a checkpoint
staged     incremental (the paper's), mixed and final (the arms of its ablation): one curriculum stage after another
corridor   prompts that sometimes pass and sometimes do not
schedule   what a step asks: prompts of the strategy, then general problems by their ratio
order      orders drawn by hash; rest: prompts that are passed over for a while

What step t asks is a function of (prompts, config, seed) and of what steps before t showed. `Schedule.state` holds all of
that as JSON: it rides in every checkpoint, so that a resumed run asks what an undisturbed one does. No random generator
and no clock is asked.
"""

from collections.abc import Sequence

from ifrl_core.config import CurriculumConfig
from ifrl_core.errors import InputError
from ifrl_core.policy.curriculum.corridor import Corridor
from ifrl_core.policy.curriculum.schedule import Schedule
from ifrl_core.policy.curriculum.staged import Final, Incremental, Mixed
from ifrl_core.policy.curriculum.strategy import Levels, Outcome, Strategy
from ifrl_core.records import Row

__all__ = ["STRATEGIES", "Outcome", "Schedule", "Strategy", "curriculum_stages", "open_strategy"]

STRATEGIES: dict[str, type[Strategy]] = {
    "incremental": Incremental,
    "mixed": Mixed,
    "final": Final,
    "corridor": Corridor,
}


def curriculum_stages(strategy: str, levels: Sequence[Sequence[int]]) -> list[Levels]:
    """Levels of each curriculum stage that a strategy makes of a recipe's: [(1, 2, 3)] for mixed with [[1], [2, 3]]."""
    return STRATEGIES[strategy].stages(levels)


def open_strategy(prompts: Sequence[Row], config: CurriculumConfig, *, max_steps: int, seed: int) -> Strategy:
    """The strategy that the config names, over rows with the keys prompt_id and level.

    Raises:
        InputError: when a curriculum stage that can be reached finds no prompt of its levels.
    """
    stages = curriculum_stages(config.strategy, config.levels)[:max_steps]
    pools = [[prompt for prompt in prompts if prompt["level"] in levels] for levels in stages]
    for number, (levels, pool) in enumerate(zip(stages, pools, strict=True), start=1):
        if not pool:
            present = sorted({prompt["level"] for prompt in prompts})
            raise InputError(
                f"policy.curriculum stage {number} asks for prompts of levels {list(levels)}; the train prompts "
                f"(after leaving out long ones) have levels {present}"
            )
    return STRATEGIES[config.strategy](pools, config, max_steps=max_steps, seed=seed)
