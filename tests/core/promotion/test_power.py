"""What a recipe's held-out sets can show, as `ifrl plan` says it."""

from pathlib import Path

import pytest

from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import build_config, load_recipe, shipped_recipes
from ifrl_core.promotion.gate import ACCURACY, HACKS, LENGTH, PRIMARY
from ifrl_core.promotion.power import Question, gate_power, guard_line, power_lines, problems_asked


def by_metric(config: PipelineConfig, held_out: int | None = None) -> dict[str, Question]:
    return {question.metric: question for question in gate_power(config, held_out)}


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name not in ("reward-model-cpu", "soft-cpu")])
def test_every_guard_of_a_shipped_recipe_may_pass(name: str) -> None:
    found = by_metric(load_recipe(name))
    assert {PRIMARY, ACCURACY, LENGTH, HACKS} <= set(found)
    assert all(question.can_pass for question in found.values())


def test_without_hard_constraints_nothing_decides_a_retraining() -> None:
    assert power_lines(gate_power(load_recipe("soft-cpu"))) == [
        "retraining  none: hard constraints decide it, and no type that is drawn is one"
    ]


def test_as_many_problems_are_asked_as_the_margin_needs_and_the_sources_hold() -> None:
    config = build_config({"retrain": {"accuracy_margin": 3}})
    assert problems_asked(config) == 1071  # ((1.960 + 0.842) x 35 / 3)^2 and two more
    accuracy = by_metric(config)[ACCURACY]
    assert (accuracy.units, accuracy.needed, accuracy.can_pass) == (67, 1071, False)  # of 120 that ship, by hash
    assert "needs about 1071 problems and has 67, so it cannot pass" in guard_line(accuracy)
    assert "policy.general.sources" in guard_line(accuracy)
    wide = by_metric(build_config({"retrain": {"accuracy_margin": 15}}))[ACCURACY]
    assert (wide.units, wide.needed, wide.can_pass) == (45, 45, True)


def test_what_a_number_of_instructions_shows_and_which_guards_are_in_doubt() -> None:
    found = by_metric(build_config({"retrain": {"hack_margin": 5, "accuracy_margin": None}}), held_out=100)
    assert found[PRIMARY].detects == pytest.approx((1.960 + 0.842) * 33 / 98**0.5, abs=0.01)
    assert ACCURACY not in found
    assert found[HACKS].can_pass
    assert "needs about 128 held-out instructions and has 100, so it may well be inconclusive" in guard_line(
        found[HACKS]
    )
    lines = "\n".join(power_lines(list(found.values())))
    assert "100 held-out instructions show a change of 9.3 points in hard constraints" in lines


def test_a_margin_of_nothing_cannot_be_shown() -> None:
    found = by_metric(build_config({"retrain": {"accuracy_margin": 0}}))[ACCURACY]
    assert found.needed is None
    assert "use a margin above 0" in guard_line(found)


def test_where_files_are_elsewhere_the_recipes_own_numbers_count(tmp_path: Path) -> None:
    seeds = {"files": [str(tmp_path / "seeds.jsonl")], "builtin": False, "held_out": 150}
    general = {"sources": [str(tmp_path / "problems.jsonl")]}
    found = by_metric(build_config({"seeds": seeds, "policy": {"general": general}}))
    assert (found[PRIMARY].units, found[ACCURACY].units) == (150, 1071)
