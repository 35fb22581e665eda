"""Recipes: what ships loads, what is wrong is named."""

import re
from pathlib import Path

import pytest

from ifrl_core.config import ExecutionConfig
from ifrl_core.config.modes import value_at
from ifrl_core.config.recipes import RECIPES, load_recipe, shipped_recipes
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


def test_a_wrong_override_is_not_laid_at_the_files_door(tmp_path: Path) -> None:
    path = recipe(tmp_path, "policy: {max_steps: 5}")
    with pytest.raises(
        ConfigError, match=r"r.yaml with a changed seed, policy.max_step is not valid:\n  policy.max_step"
    ):
        load_recipe(path, ["seed=1", "policy.max_step=http://user:secret@host"])


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


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seeds.files=mine.jsonl", "seeds.files", ("mine.jsonl",)),
        ("instructions.types=tone:", "instructions.types", ("tone:",)),
        ("evaluation.levels=3", "evaluation.levels", (3,)),
        ("policy.general.sources=builtin:math", "policy.general.sources", ("builtin:math",)),
        ("name=007", "name", "007"),
        ("registry.alias=on", "registry.alias", "on"),
        ("model=1e5", "model", "1e5"),
        ("policy.learning_rate=3e-5", "policy.learning_rate", 3e-5),
        ("seeds.builtin=no", "seeds.builtin", False),
        ("reward_model.layers=null", "reward_model.layers", None),
        ("evaluation.ifeval_path=none.jsonl", "evaluation.ifeval_path", "none.jsonl"),
        ("policy.curriculum.levels=[[1], [2]]", "policy.curriculum.levels", ((1,), (2,))),
        ("policy.lora={rank: 4}", "policy.lora.rank", 4),
    ],
)
def test_an_override_is_read_as_its_field_wants_it(tmp_path: Path, override: str, path: str, value: object) -> None:
    assert value_at(load_recipe(recipe(tmp_path, "labels:"), [override]), path) == value


def test_one_value_where_a_recipe_wants_a_list_is_a_list_of_it(tmp_path: Path) -> None:
    config = load_recipe(recipe(tmp_path, "seeds: {files: mine.jsonl}\nevaluation: {levels: 2}"))
    assert (config.seeds.files, config.evaluation.levels) == (("mine.jsonl",), (2,))


def test_a_key_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the key policy comes twice(.|\n)*line 2"):
        load_recipe(recipe(tmp_path, "policy: {max_steps: 1}\npolicy: {beta: 0}"))


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if re.search(r"\d+b", name)])
def test_recipes_of_the_papers_size_cite_every_value_and_name_seeds_and_problems(name: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text()
    values = [
        line
        for line in text.splitlines()
        if line.strip() and line[0] != "#" and not line.split("#")[0].strip().endswith(":")
    ]
    uncited = [
        line for line in values if not re.search(r"  # (paper|code|ours): \S", line) and not line.startswith("name:")
    ]
    assert not uncited
    config = load_recipe(name)
    assert config.seeds.files
    assert config.seeds.train == 3000
    assert config.policy.general.ratio == 0.32


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
