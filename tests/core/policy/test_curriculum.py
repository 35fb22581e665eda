"""The order of the prompts is a function of seed and step."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.policy.curriculum import lay_out, steps_of_stages

LEVELS = (1, 2, 3)


def prompts(ladders: int) -> list[dict[str, Any]]:
    return [{"prompt_id": f"i{i}-L{level}", "level": level} for i in range(ladders) for level in LEVELS]


@given(
    ladders=st.integers(1, 9),
    max_steps=st.integers(1, 12),
    prompts_per_step=st.integers(1, 5),
    curriculum=st.lists(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=2), min_size=1, max_size=4),
    seed=st.integers(0, 3),
)
def test_each_step_has_its_prompts_of_its_stages_levels(
    ladders: int, max_steps: int, prompts_per_step: int, curriculum: list[list[int]], seed: int
) -> None:
    rows = lay_out(prompts(ladders), curriculum, max_steps=max_steps, prompts_per_step=prompts_per_step, seed=seed)
    assert len(rows) == max_steps * prompts_per_step
    assert all(row["level"] in curriculum[row["stage"]] for row in rows)
    stages = [row["stage"] for row in rows]
    assert stages == sorted(stages)
    for stage, steps in enumerate(steps_of_stages(max_steps, len(curriculum))):
        assert stages.count(stage) == steps * prompts_per_step


@given(seed=st.integers(0, 3), reverse=st.booleans())
def test_the_order_depends_on_the_seed_and_not_on_the_order_of_the_table(seed: int, reverse: bool) -> None:
    table = prompts(8)
    shuffled = table[::-1] if reverse else table

    def order(rows: list[dict[str, Any]], seed: int) -> list[str]:
        laid = lay_out(rows, [[1], [2, 3]], max_steps=6, prompts_per_step=4, seed=seed)
        return [row["prompt_id"] for row in laid]

    assert order(shuffled, seed) == order(table, seed)
    assert order(table, seed) != order(table, seed + 1)


def test_a_stage_asks_every_prompt_once_before_any_twice_and_in_a_new_order() -> None:
    rows = lay_out(prompts(6), [[1]], max_steps=4, prompts_per_step=3, seed=0)
    first, second = ([row["prompt_id"] for row in rows[start : start + 6]] for start in (0, 6))
    assert sorted(first) == sorted(second) == [f"i{i}-L1" for i in range(6)]
    assert first != second


def test_steps_are_shared_out_evenly_and_earlier_stages_take_the_rest() -> None:
    assert steps_of_stages(8, 3) == [3, 3, 2]
    assert steps_of_stages(1, 3) == [1, 0, 0]


def test_a_stage_without_prompts_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"stage 2 asks for prompts of levels \[4, 5\].*levels \[1, 2, 3\]"):
        lay_out(prompts(2), [[1], [4, 5]], max_steps=2, prompts_per_step=1, seed=0)


def test_a_stage_without_steps_needs_no_prompts() -> None:
    assert len(lay_out(prompts(2), [[1], [4]], max_steps=1, prompts_per_step=2, seed=0)) == 2
