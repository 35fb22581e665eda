"""Recipes: what ships loads, what is wrong is named."""

from pathlib import Path

import pytest

from ifrl_core.config import ExecutionConfig
from ifrl_core.config.recipes import load_recipe, shipped_recipes
from ifrl_core.errors import ConfigError
from ifrl_core.stages import registry


def recipe(tmp_path: Path, text: str) -> str:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_loads(name: str) -> None:
    load_recipe(name)


def test_there_is_a_demo() -> None:
    assert "demo-cpu" in shipped_recipes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy: {max_step: 5}", r"policy\.max_step: unknown key; did you mean max_steps\?"),
        ("polcy: {}", r"polcy: unknown key; did you mean policy\?"),
        ("policy: {max_steps: many}", r"policy\.max_steps: .*integer.*'many'"),
        ("policy: {max_steps: 0}", r"policy\.max_steps: .*greater than or equal to 1"),
        ("instructions: {writer: oracle}", r"instructions\.writer: .*'catalog'"),
        ("instructions: {min_constraints: 5, max_constraints: 3}", "min_constraints 5 exceeds max_constraints 3"),
        ("policy: {micro_batch: 7}", "micro_batch 7 does not divide"),
        ("- a\n- b", "must be a mapping of sections, not list"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_recipe_is_named_by_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe(tmp_path, text))


def test_an_unknown_recipe_lists_those_that_ship() -> None:
    with pytest.raises(ConfigError, match="demo-cpu"):
        load_recipe("nope")


def test_overrides_reach_their_key_and_keep_its_neighbours(tmp_path: Path) -> None:
    config = load_recipe(
        recipe(tmp_path, "policy: {max_steps: 7, beta: 0.5}"),
        ["policy.max_steps=9", "policy.learning_rate=3e-5", "seeds.files=[a.txt, b.txt]"],
    )
    assert (config.policy.max_steps, config.policy.beta, config.policy.learning_rate) == (9, 0.5, 3e-5)
    assert config.seeds.files == ("a.txt", "b.txt")


@pytest.mark.parametrize("override", ["policy.max_steps", "=5", "policy.max_steps.x=1", "policy.max_steps=[1"])
def test_a_wrong_override_is_named(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError):
        load_recipe(recipe(tmp_path, "policy: {max_steps: 7}"), [override])


def test_a_pool_takes_the_stages_that_use_the_model_and_single_stages_go_elsewhere() -> None:
    execution = ExecutionConfig(
        pool="gpu", deployments={"policy": "gpu-k8s", "rollouts": "", "instructions": "stage/mine"}
    )
    names = ("policy", "reward-model", "rollouts", "instructions", "labels")
    places = {name: execution.deployment_of(registry.find(name)) for name in names}
    assert places == {
        "policy": "stage/gpu-k8s",
        "reward-model": "stage/gpu",
        "rollouts": None,
        "instructions": "stage/mine",
        "labels": None,
    }
