"""What a step asks is a function of the seed and of what earlier steps showed, and survives a checkpoint."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ifrl_core.config import CurriculumConfig
from ifrl_core.errors import InputError
from ifrl_core.policy.curriculum import STRATEGIES, Outcome, Schedule, curriculum_stages, open_strategy
from ifrl_core.policy.curriculum.order import share_of_step
from ifrl_core.records import Row

Show = Callable[[int, Row], tuple[float, float]]  # (step, prompt) -> reward, pass rate
LEVELS = (1, 2, 3)


def prompts(ladders: int) -> list[Row]:
    return [{"prompt_id": f"i{i}-L{level}", "level": level} for i in range(ladders) for level in LEVELS]


def problems(count: int) -> list[Row]:
    return [{"prompt_id": f"p{i}", "level": 0, "check": "math"} for i in range(count)]


def schedule(
    table: list[Row], *, max_steps: int, prompts_per_step: int, seed: int = 0, ratio: float = 0.0, **config: Any
) -> Schedule:
    curriculum = open_strategy(table, CurriculumConfig(**config), max_steps=max_steps, seed=seed)
    return Schedule(curriculum, problems(7), prompts_per_step=prompts_per_step, ratio=ratio, seed=seed)


def nothing(step: int, prompt: Row) -> tuple[float, float]:
    return 0.0, 0.0


def observe(plan: Schedule, show: Show) -> list[Row]:
    """Go a step on; what it asked."""
    asked, step = plan.prompts, plan.step
    shown = [(row["prompt_id"], *show(step, row)) for row in asked if not row.get("check")]
    plan.observe([Outcome(prompt_id, reward, rate, flat=reward in (0.0, 1.0)) for prompt_id, reward, rate in shown])
    return asked


def walk(plan: Schedule, steps: int, show: Show = nothing) -> list[list[str]]:
    return [[row["prompt_id"] for row in observe(plan, show)] for _ in range(steps)]


def flat(steps: list[list[str]]) -> list[str]:
    return [prompt_id for step in steps for prompt_id in step]


def noise(step: int, prompt: Row) -> tuple[float, float]:
    draw = random.Random(f"{step} {prompt['prompt_id']}")
    return draw.choice([0.0, 0.3, 0.6, 1.0]), draw.random()


@settings(deadline=None)
@given(
    ladders=st.integers(1, 9),
    max_steps=st.integers(1, 12),
    prompts_per_step=st.integers(1, 5),
    levels=st.lists(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=2), min_size=1, max_size=4),
    strategy=st.sampled_from(list(STRATEGIES)),
    rest=st.integers(0, 3),
)
def test_each_step_has_its_number_of_prompts_of_its_stages_levels(
    ladders: int, max_steps: int, prompts_per_step: int, levels: list[list[int]], strategy: str, rest: int
) -> None:
    config = {"strategy": strategy, "levels": levels, "rest": rest}
    plan = schedule(prompts(ladders), max_steps=max_steps, prompts_per_step=prompts_per_step, **config)
    stages = []
    for _ in range(max_steps):
        stages.append(plan.stage)
        asked = observe(plan, noise)
        assert len(asked) == prompts_per_step
        assert {row["level"] for row in asked} <= set(curriculum_stages(strategy, levels)[stages[-1]])
    assert stages == sorted(stages)


def test_steps_are_shared_out_evenly_and_earlier_stages_take_the_rest() -> None:
    def steps(max_steps: int) -> list[int]:
        plan = schedule(prompts(2), max_steps=max_steps, prompts_per_step=1, levels=((1,), (2,), (3,)))
        levels = Counter(observe(plan, nothing)[0]["level"] for _ in range(max_steps))
        return [levels[level] for level in LEVELS]

    assert steps(8) == [3, 3, 2]
    assert steps(1) == [1, 0, 0]


def test_the_curriculum_stages_of_each_strategy() -> None:
    levels = [[1], [2, 3]]
    assert curriculum_stages("incremental", levels) == [(1,), (2, 3)]
    assert curriculum_stages("mixed", levels) == curriculum_stages("corridor", levels) == [(1, 2, 3)]
    assert curriculum_stages("final", levels) == [(2, 3)]


@given(seed=st.integers(0, 3), reverse=st.booleans(), strategy=st.sampled_from(list(STRATEGIES)))
def test_the_order_depends_on_the_seed_and_not_on_the_order_of_the_table(
    seed: int, reverse: bool, strategy: str
) -> None:
    def order(table: list[Row], seed: int) -> list[list[str]]:
        config = {"strategy": strategy, "levels": [[1], [2, 3]]}
        return walk(schedule(table, max_steps=6, prompts_per_step=4, seed=seed, **config), 6, noise)

    table = prompts(8)
    assert order(table[::-1] if reverse else table, seed) == order(table, seed)
    assert order(table, seed) != order(table, seed + 1)


def test_a_stage_asks_every_prompt_once_before_any_twice_and_in_a_new_order() -> None:
    asked = flat(walk(schedule(prompts(6), max_steps=4, prompts_per_step=3, levels=[[1]]), 4))
    assert sorted(asked[:6]) == sorted(asked[6:]) == [f"i{i}-L1" for i in range(6)]
    assert asked[:6] != asked[6:]


def test_a_stage_is_left_as_soon_as_its_reward_suffices_and_later_stages_get_the_steps() -> None:
    # Level 1 earns 0.2, 0.5, 0.7, ...: the mean of two steps reaches 0.6 after the third. 9 steps are left for two stages.
    rewards = iter([0.2, 0.5, 0.7])

    def show(step: int, prompt: Row) -> tuple[float, float]:
        return (next(rewards), 0.0) if prompt["level"] == 1 else (0.1, 0.0)

    config = {"levels": [[1], [2], [3]], "promote_at": 0.6, "window": 2}
    plan = schedule(prompts(3), max_steps=12, prompts_per_step=1, **config)
    levels = [observe(plan, show)[0]["level"] for _ in range(12)]
    assert levels == [1] * 3 + [2] * 5 + [3] * 4


def test_a_threshold_that_is_never_reached_changes_nothing() -> None:
    plans = [
        schedule(prompts(4), max_steps=9, prompts_per_step=2, levels=[[1], [2]], promote_at=at) for at in (None, 1)
    ]
    assert walk(plans[0], 9) == walk(plans[1], 9)


def test_the_corridor_asks_everything_once_and_then_what_sometimes_passes() -> None:
    rates = {1: 1.0, 2: 0.5, 3: 0.0}  # by level

    def show(step: int, prompt: Row) -> tuple[float, float]:
        return 0.5, rates[prompt["level"]]

    config = {"strategy": "corridor", "levels": [[1, 2, 3]], "remeasured": 0.25}
    plan = schedule(prompts(8), max_steps=50, prompts_per_step=4, **config)
    first = walk(plan, 6, show)
    assert sorted(flat(first)) == sorted(row["prompt_id"] for row in prompts(8))
    assert plan.metrics()["curriculum/unmeasured"] == 0
    assert plan.metrics()["curriculum/in_corridor"] == pytest.approx(1 / 3)
    later = walk(plan, 16, show)
    for step in later:  # three from inside, one measured again
        assert Counter(prompt_id.endswith("L2") for prompt_id in step) == {True: 3, False: 1}
    assert Counter(flat(later)) == {row["prompt_id"]: 6 if row["level"] == 2 else 1 for row in prompts(8)}


def test_a_prompt_comes_into_the_corridor_as_the_policy_improves() -> None:
    def show(step: int, prompt: Row) -> tuple[float, float]:
        return 0.5, 0.9 if step >= 3 and prompt["prompt_id"] == "i0-L3" else 0.0

    config = {"strategy": "corridor", "levels": [[3]], "remeasured": 0.5, "low": 0.2, "high": 0.8}
    plan = schedule(prompts(3), max_steps=30, prompts_per_step=1, **config)
    walk(plan, 3, show)
    assert plan.metrics()["curriculum/in_corridor"] == 0
    walk(plan, 3, show)
    assert plan.metrics()["curriculum/in_corridor"] == pytest.approx(1 / 3)  # (0 + 0.9) / 2 = 0.45


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_prompt_without_spread_rests_and_is_asked_again(strategy: str) -> None:
    def show(step: int, prompt: Row) -> tuple[float, float]:
        return (1.0 if prompt["prompt_id"].startswith("i0") else 0.5), 0.5

    config = {"strategy": strategy, "levels": [[1]]}
    for rest, least, most in ((0, 10, 10), (8, 3, 5)):  # at most every ninth step
        plan = schedule(prompts(4), max_steps=40, prompts_per_step=1, rest=rest, **config)
        assert least <= flat(walk(plan, 40, show)).count("i0-L1") <= most
    plan = schedule(prompts(1), max_steps=3, prompts_per_step=2, rest=9, **config)
    assert walk(plan, 3, show) == [["i0-L1"] * 2] * 3  # there is no other


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5])
def test_problems_are_mixed_in_at_their_ratio_and_in_passes(ratio: float) -> None:
    asked = walk(schedule(prompts(5), max_steps=20, prompts_per_step=3, ratio=ratio, levels=[[1]]), 20)
    mixed = [prompt_id for prompt_id in flat(asked) if prompt_id.startswith("p")]
    assert len(mixed) == 60 * ratio
    assert all(len(step) == 3 for step in asked)
    if mixed:
        assert sorted(mixed[:7]) == sorted(mixed[7:14]) == [f"p{i}" for i in range(7)]


@settings(deadline=None)
@given(
    config=st.sampled_from(
        [
            {"levels": [[1], [2], [3]], "promote_at": 0.5, "window": 2, "rest": 2},
            {"strategy": "mixed", "levels": [[1], [2]], "rest": 1},
            {"strategy": "corridor", "levels": [[1, 2, 3]], "rest": 3},
        ]
    ),
    kill=st.integers(0, 14),
    ratio=st.sampled_from([0.0, 0.4]),
)
def test_a_resumed_run_asks_what_an_undisturbed_one_does(config: Row, kill: int, ratio: float) -> None:
    def start() -> Schedule:
        return schedule(prompts(5), max_steps=15, prompts_per_step=2, ratio=ratio, **config)

    whole, killed, resumed = start(), start(), start()
    walk(whole, kill, noise)
    walk(killed, kill, noise)
    rows = {row["prompt_id"]: row for row in prompts(5) + problems(7)}
    resumed.restore(json.loads(json.dumps(killed.state())), rows)
    assert walk(resumed, 15 - kill, noise) == walk(whole, 15 - kill, noise)
    assert resumed.metrics() == whole.metrics()


def test_shares_of_steps_add_up() -> None:
    assert [share_of_step(step, 2, 0.25) for step in range(6)] == [0, 1, 0, 1, 0, 1]
    assert sum(share_of_step(step, 3, 0.3) for step in range(100)) == 90


def test_a_stage_without_prompts_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"stage 2 asks for prompts of levels \[4, 5\].*levels \[1, 2, 3\]"):
        schedule(prompts(2), max_steps=2, prompts_per_step=1, levels=[[1], [4, 5]])


def test_a_stage_without_steps_needs_no_prompts() -> None:
    assert len(walk(schedule(prompts(2), max_steps=1, prompts_per_step=2, levels=[[1], [4]]), 1)[0]) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strategy": "mixed", "promote_at": 0.5}, "promote_at is for strategy incremental"),
        ({"strategy": "corridor", "low": 0.5, "high": 0.5}, "low must be less than high"),
        ({"levels": []}, "at least 1 item"),
        ({"levels": [[]]}, "at least 1 item"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Row, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CurriculumConfig(**wrong)
