"""The order of training: every row once an epoch, the ladder of an instruction together, and whole checkpoints only."""

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.config import RewardModelConfig
from ifrl_core.reward_model.model.packing import Packed
from ifrl_core.reward_model.train.order import training_order
from ifrl_core.training.checkpoints import last_checkpoint


def rows_of(ladders: list[int]) -> tuple[list[Packed], list[str]]:
    """Rows of one pair each; ladder i has `ladders[i]` of them."""
    names = [f"i-{index}" for index, size in enumerate(ladders) for _ in range(size)]
    return [Packed((1,) * (1 + place % 7), ((2,),), (place,)) for place in range(len(names))], names


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 3), st.integers(1, 8), st.integers(0, 5))
def test_every_row_comes_once_an_epoch(ladders: list[int], epochs: int, batch: int, seed: int) -> None:
    rows, names = rows_of(ladders)
    config = RewardModelConfig(epochs=epochs, batch_size=batch, micro_batch=1)
    order = training_order(rows, names, config, seed)
    assert Counter(row.places[0] for row in order) == dict.fromkeys(range(len(rows)), epochs)


def test_a_step_holds_whole_ladders_where_they_fit() -> None:
    rows, names = rows_of([4] * 10)
    order = training_order(rows, names, RewardModelConfig(batch_size=8, micro_batch=4), 0)
    for start in range(0, 40, 8):
        step = Counter(names[row.places[0]] for row in order[start : start + 8])
        assert sorted(step.values()) == [4, 4]
        assert [row.length for row in order[start : start + 8]] == sorted(
            row.length for row in order[start : start + 8]
        )


def test_seeds_give_different_orders_and_equal_seeds_equal_ones() -> None:
    rows, names = rows_of([3] * 20)
    config = RewardModelConfig(epochs=2)
    assert training_order(rows, names, config, 1) == training_order(rows, names, config, 1)
    assert training_order(rows, names, config, 1) != training_order(rows, names, config, 2)


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, state in ((4, "{}"), (12, "{}"), (16, '{"global_st'), (20, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-12"
