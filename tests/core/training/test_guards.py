"""What ends a run early: numbers that are none, a collapsed policy."""

import math
from pathlib import Path

import pytest

from ifrl_core.config import GuardsConfig
from ifrl_core.errors import CollapseError
from ifrl_core.training.guards import Guards

FINE = {"loss": 0.1, "grad_norm": 1.0, "entropy": 1.2, "completions/mean_length": 40.0}


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_ends_the_run_and_names_the_last_whole_checkpoint(
    tmp_path: Path, name: str, value: float
) -> None:
    guards = Guards(GuardsConfig(), tmp_path)
    guards.check(3, FINE)
    with pytest.raises(CollapseError, match=f"{name} of step 4 is {value}.*There is no checkpoint yet"):
        guards.check(4, FINE | {name: value})
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text('{"global_step": 2}')
    with pytest.raises(CollapseError, match=r"last whole checkpoint is .*checkpoint-2"):
        guards.check(4, FINE | {name: value})


@pytest.mark.parametrize(
    ("low", "said"),
    [
        ({"entropy": 0.001}, "entropy 0.001 is below 0.01"),
        ({"completions/mean_length": 1.0}, "mean_length 1 is below 1.5"),
    ],
)
def test_a_collapse_has_to_last(tmp_path: Path, low: dict[str, float], said: str) -> None:
    guards = Guards(GuardsConfig(patience=3), tmp_path)
    for step, logs in enumerate([low, low, {}, low, low]):
        guards.check(step, FINE | logs)
    with pytest.raises(CollapseError, match=f"{said} at step 5, 3 steps in a row"):
        guards.check(5, FINE | low)


def test_floors_can_be_taken_away(tmp_path: Path) -> None:
    guards = Guards(GuardsConfig(min_entropy=0, min_length=0, patience=1), tmp_path)
    guards.check(1, FINE | {"entropy": 0.0, "completions/mean_length": 0.0})
