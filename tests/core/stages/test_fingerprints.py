"""What is stored stays found: the fingerprint of every stage of every shipped recipe, as first written down.

A stage whose fingerprint changes on purpose (a new version, a new field that says what is made) gets a new line in
fingerprints.json, in the commit that says why:

    python -m tests.core.stages.test_fingerprints

Code and templates are left out of these: that they count is the business of test_identity.py.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import GeneralConfig, NoConfig
from ifrl_core.config.recipes import load_recipe, shipped_recipes
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.stage import evaluate
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.pass_rates import PassRatesPlan, measure_pass_rates
from ifrl_core.instructions.stage import ladders_plan, make_instructions, make_prompts
from ifrl_core.labels.stage import make_labels
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.policy.stage import train_policy
from ifrl_core.report.stage import ReportConfig, write_report
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.seeds.stage import make_seeds, seeds_source
from ifrl_core.shipped import BUILTIN

KNOWN_FILE = Path(__file__).with_name("fingerprints.json")


def ref(name: str) -> ArtifactRef:
    identity = (name * 64).encode().hex()[:64]
    return ArtifactRef(uri=f"/x/{name}", stage=name, fingerprint=identity, digest="0" * 64, rows=1, schema_version=1)


def fingerprints(recipe: str) -> dict[str, str]:
    """By stage."""
    config = load_recipe(recipe, [])
    shipped = tuple(file for file in config.seeds.files if file.startswith(BUILTIN))  # others are the user's own
    seeds = config.seeds.model_copy(update={"files": shipped, "builtin": not shipped})
    rates = PassRatesPlan(instructions=answerable(config), layout=config.ladder.layout, to_corridor=False)
    policy = config.policy.model_copy(update={"general": GeneralConfig(ratio=config.policy.general.ratio)})
    evaluation = config.evaluation.model_copy(update={"ifeval_path": None})
    seeded = [
        (make_seeds, seeds_source(seeds), []),
        (measure_pass_rates, rates, ["seeds", "model"]),
        (make_instructions, answerable(config), ["seeds"]),
        (make_prompts, ladders_plan(config), ["instructions", "model"]),
        (make_rollouts, config.rollouts, ["model", "prompts"]),
        (make_labels, config.labels, ["prompts", "rollouts"]),
        (train_reward_model, config.reward_model, ["model", "labels"]),
        (train_policy, policy, ["model", "prompts", "reward_model"]),
        (evaluate, evaluation, ["prompts", "reward_model", "model"]),
        (compare, NoConfig(), ["before", "after"]),
    ]
    unseeded = [
        (import_model, model_source("embedded:smollm2-135m"), []),
        (write_report, ReportConfig(name=config.name, model=config.model), ["labels"]),
    ]
    return {
        stage.name: replace(stage, content=None).fingerprint(chosen, {name: ref(name) for name in names}, seed=seed)
        for stages, seed in ((seeded, config.seed), (unseeded, 0))
        for stage, chosen, names in stages
    }


@pytest.mark.parametrize("recipe", json.loads(KNOWN_FILE.read_text()))
def test_fingerprints_of_stages_are_those_of_stored_artifacts(recipe: str) -> None:
    assert fingerprints(recipe) == json.loads(KNOWN_FILE.read_text())[recipe]


if __name__ == "__main__":
    KNOWN_FILE.write_text(json.dumps({recipe: fingerprints(recipe) for recipe in shipped_recipes()}, indent=1) + "\n")
