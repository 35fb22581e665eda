"""Which prompts each step asks: the curriculum (paper, section 3.2, and three others) and the mix with general problems.

incremental  stage by stage, prompts of few constraints first. A stage ends when its share of the steps that are left is
             used up, or, with `promote_at`, as soon as its mean reward over the last `window` steps reaches it
mixed        one stage with all levels
final        one stage, the last of the recipe's (with mixed, the arms of the paper's ablation)
corridor     prompts that sometimes pass and sometimes do not: those never asked come first, then those whose measured pass
             rate lies in (low, high], the longest ago first. A share of every step goes to the others, longest ago first,
             because the policy improves and their rate does not stay what it was

A group of rollouts that all earn the same teaches GRPO nothing. With `rest` such a prompt is passed over for that many
steps and the next one of the pool takes its place; when too few others are left it is asked all the same. (Sampling
again within the step, as DAPO does (arXiv 2503.14476), would cost a second round of generation for some steps.)

What step t asks is a function of (prompts, config, seed) and of what steps before t showed. `Schedule.state` holds all of
that as JSON: it rides in every checkpoint, so that a resumed run asks what an undisturbed one does. No random generator
and no clock is asked; order is by hash.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from ifrl_core.config import CurriculumConfig
from ifrl_core.errors import InputError

Row = dict[str, Any]
Levels = tuple[int, ...]
MOMENTUM = 0.5  # weight of the newest group in a prompt's running pass rate


@dataclass(frozen=True)
class Outcome:
    """What a step showed of one prompt: means over its group of rollouts, None where nothing was scored.

    `pass_rate`: of hard constraints; `flat`: all rollouts earned the same.
    """

    prompt_id: str
    reward: float | None
    pass_rate: float | None
    flat: bool


class Curriculum(Protocol):
    """A strategy. Prompts are drawn once a step, and what they showed is observed before the next are drawn."""

    @property
    def stage(self) -> int: ...

    def draw(self, step: int, count: int) -> list[Row]: ...

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None: ...

    def state(self) -> Row: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...

    def metrics(self, step: int) -> dict[str, float]: ...


def stages_of(strategy: str, levels: Sequence[Sequence[int]]) -> list[Levels]:
    """Levels of each stage that a strategy has: [(1, 2, 3)] for mixed with [[1], [2, 3]]."""
    if strategy == "incremental":
        return [tuple(stage) for stage in levels]
    if strategy == "final":
        return [tuple(levels[-1])]
    return [tuple(sorted({level for stage in levels for level in stage}))]


def open_curriculum(prompts: Sequence[Row], config: CurriculumConfig, *, max_steps: int, seed: int) -> Curriculum:
    """The strategy that the config names, over rows with the keys prompt_id and level.

    Raises:
        InputError: when a stage that can be reached finds no prompt of its levels.
    """
    stages = stages_of(config.strategy, config.levels)[:max_steps]
    pools = [[prompt for prompt in prompts if prompt["level"] in levels] for levels in stages]
    for stage, (levels, pool) in enumerate(zip(stages, pools, strict=True)):
        if not pool:
            found = sorted({prompt["level"] for prompt in prompts})
            raise InputError(
                f"policy.curriculum stage {stage + 1} asks for prompts of levels {list(levels)}; the train prompts "
                f"(after leaving out long ones) have levels {found}"
            )
    if config.strategy == "corridor":
        return _Corridor(pools[0], config, seed=seed)
    return _Stages(pools, config, max_steps=max_steps, seed=seed)


class _Resting:
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


class _Stages:
    """One pool after another, each walked in an order drawn by hash, and again in another order when it runs out."""

    def __init__(self, pools: Sequence[Sequence[Row]], config: CurriculumConfig, *, max_steps: int, seed: int) -> None:
        self._pools, self._config, self._max_steps, self._seed = pools, config, max_steps, seed
        self._resting = _Resting(config.rest)
        self._stage = self._place = self._until = 0
        self._recent: list[float] = []  # mean rewards of the stage's last steps
        self._enter(0, step=0)

    @property
    def stage(self) -> int:
        return self._stage

    def draw(self, step: int, count: int) -> list[Row]:
        pool = self._pools[self._stage]
        walk = _walk(pool, self._seed, self._stage, self._place)
        chosen: list[Row] = []
        passed_over = 0
        while len(chosen) < count:
            self._place += 1
            prompt = next(walk)
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
        wanted, window = self._config.promote_at, self._config.window
        return wanted is not None and len(self._recent) == window and fmean(self._recent) >= wanted


class _Corridor:
    """A running pass rate a prompt decides: `_rates` is None for what was asked and could not be measured."""

    stage = 0

    def __init__(self, pool: Sequence[Row], config: CurriculumConfig, *, seed: int) -> None:
        self._pool = sorted(pool, key=lambda prompt: _hash(seed, 0, 0, prompt["prompt_id"]))
        self._config = config
        self._resting = _Resting(config.rest)
        self._rates: dict[str, float | None] = {}
        self._asked: dict[str, int] = {}  # when last: the place in the row of all that was asked
        self._places = 0

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
            self._asked[outcome.prompt_id] = self._places
            self._places += 1
            # A prompt without hard constraints has no pass rate: its mean reward stands in.
            new = outcome.reward if outcome.pass_rate is None else outcome.pass_rate
            old = self._rates.get(outcome.prompt_id)
            kept = old if new is None else new if old is None else old + MOMENTUM * (new - old)
            self._rates[outcome.prompt_id] = kept

    def state(self) -> Row:
        return {
            "rates": self._rates,
            "asked": self._asked,
            "places": self._places,
            "resting": self._resting.since,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rates, self._asked, self._places = dict(state["rates"]), dict(state["asked"]), state["places"]
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
        fresh, inside, outside = [], [], []
        for prompt in self._longest_ago(prompts):
            rate = self._rates.get(prompt["prompt_id"])
            if prompt["prompt_id"] not in self._asked:
                fresh.append(prompt)
            elif rate is not None and self._config.low < rate <= self._config.high:
                inside.append(prompt)
            else:
                outside.append(prompt)
        return fresh, inside, outside

    def _longest_ago(self, prompts: Sequence[Row]) -> list[Row]:
        return sorted(prompts, key=lambda prompt: self._asked.get(prompt["prompt_id"], -1))


class Schedule:
    """What the present step asks: prompts of the curriculum, then general problems by their ratio.

    `asked` stays the same until the step is observed. Rows of problems have a `check`, rows of instructions have none.
    """

    def __init__(
        self, curriculum: Curriculum, problems: Sequence[Row], *, prompts_per_step: int, ratio: float, seed: int
    ) -> None:
        self._curriculum, self._problems, self._seed = curriculum, problems, seed
        self._prompts_per_step, self._ratio = prompts_per_step, ratio
        self.step = self._place = 0
        self.asked = self._draw()

    @property
    def stage(self) -> int:
        return self._curriculum.stage

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Go on to the next step with what this one showed of its instructions (problems are not observed)."""
        self._curriculum.observe(self.step, outcomes)
        self.step += 1
        self.asked = self._draw()

    def metrics(self) -> dict[str, float]:
        """`stage`, `level` (mean of the step's instructions) and what the strategy says of itself, before the step."""
        levels = [row["level"] for row in self.asked if not row.get("check")]
        return {
            "stage": float(self.stage),
            **({"level": fmean(levels)} if levels else {}),
            **self._curriculum.metrics(self.step),
        }

    def state(self) -> Row:
        """All that `restore` needs, as JSON."""
        return {
            "step": self.step,
            "place": self._place,
            "asked": [row["prompt_id"] for row in self.asked],
            "curriculum": self._curriculum.state(),
        }

    def restore(self, state: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
        """Go back to a state; `rows` by prompt_id, instructions and problems."""
        self.step, self._place = state["step"], state["place"]
        self.asked = [rows[prompt_id] for prompt_id in state["asked"]]
        self._curriculum.restore(state["curriculum"])

    def _draw(self) -> list[Row]:
        mixed = share_of_step(self.step, self._prompts_per_step, self._ratio)
        problems = list(itertools.islice(_walk(self._problems, self._seed, "general", self._place), mixed))
        self._place += mixed
        return [*self._curriculum.draw(self.step, self._prompts_per_step - mixed), *problems]


def share_of_step(step: int, count: int, share: float) -> int:
    """How many of `count` a share is at this step, so that the sum over steps is right: 0, 1, 0, 1 for a quarter of 2."""
    return math.floor((step + 1) * count * share) - math.floor(step * count * share)


def _walk(pool: Sequence[Row], seed: int, stage: int | str, place: int) -> Iterator[Row]:
    """The pool from `place` on: all of it in an order drawn by hash, then in another order, and so on without end."""
    for number in itertools.count(place // len(pool)):
        ranked = sorted((_hash(seed, stage, number, row["prompt_id"]), index) for index, row in enumerate(pool))
        start = place % len(pool) if number == place // len(pool) else 0
        yield from (pool[index] for _, index in ranked[start:])


def _hash(seed: int, stage: int | str, number: int, prompt_id: str) -> bytes:
    return hashlib.sha256(f"curriculum\0{seed}\0{stage}\0{number}\0{prompt_id}".encode()).digest()
