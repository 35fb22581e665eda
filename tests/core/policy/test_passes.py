"""Every rollout in one pass, groups together, and work in the last pass of all."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.policy.passes import centred, most_telling, passes, taken, without

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)).filter(lambda s: s[0] * s[1] % s[2] == 0)


@given(shapes, st.data())
def test_every_rollout_is_in_one_pass_and_those_without_work_come_first(
    shape: tuple[int, int, int], data: st.DataObject
) -> None:
    prompts, generations, size = shape
    groups = [prompt for prompt in range(prompts) for _ in range(generations)]
    trained = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    made = passes(groups, trained, size)
    assert sorted(row for rows in made for row in rows) == list(range(len(groups)))
    assert {len(rows) for rows in made} == {size}
    work = [sum(trained[row] for row in rows) for rows in made]
    assert work == sorted(work)


def test_groups_stay_together_and_the_rest_fills_up() -> None:
    groups = [0] * 4 + [1] * 4 + [2] * 4
    trained = [True] * 4 + [True, False, False, True] + [False, True, False, False]
    assert passes(groups, trained, 4) == [[5, 6, 8, 10], [4, 7, 9, 11], [0, 1, 2, 3]]
    assert passes(groups, [True] * 12, 6) == [[0, 1, 2, 3, 8, 9], [4, 5, 6, 7, 10, 11]]


def test_what_pulls_most_is_kept_and_of_equals_the_first() -> None:
    assert most_telling(torch.tensor([0.5, -2.0, 0.5, 0.0, 1.0]), 3).tolist() == [True, True, False, False, True]


def test_rounding_is_no_advantage() -> None:
    advantages = torch.tensor([6e-4, 6e-4, 6e-4, 1.0, -1.0, 0.0])
    assert centred(advantages, 3).tolist() == [0, 0, 0, 1, -1, 0]


def test_what_is_left_out_has_no_token_and_scalars_are_of_all() -> None:
    step = {
        "completion_mask": torch.tensor([[1, 1], [1, 0], [1, 1]]),
        "old_per_token_logps": torch.tensor([[-90.0, float("nan")], [-1.0, 0.0], [-2.0, -3.0]]),
        "advantages": torch.tensor([0.0, 1.0, -1.0]),
        "num_items_in_batch": torch.tensor(5),
    }
    found = taken(without(step, torch.tensor([False, True, True])), [2, 0])
    assert found["completion_mask"].tolist() == [[1, 1], [0, 0]]
    assert found["old_per_token_logps"].tolist() == [[-2.0, -3.0], [0.0, 0.0]]
    assert found["advantages"].tolist() == [-1.0, 0.0]
    assert found["num_items_in_batch"] == 5
