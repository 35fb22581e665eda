"""What shapes a training is said by us: a default that a library adds or changes is seen here before it is trained with.

After an upgrade: look at what differs, pin what shapes the result (training/arguments.py, policy/grpo_arguments.py), then

    python -m tests.core.training.test_arguments > tests/core/training/arguments.json
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig, RewardModelConfig
from ifrl_core.config.trl_fields import OWNED, PLACING, grpo_fields
from ifrl_core.policy.grpo_arguments import DEPRECATED, GRPO, grpo_config
from ifrl_core.reward_model.train.fit import training_arguments
from ifrl_core.training.arguments import TRAINER, resolved

KNOWN = Path(__file__).with_name("arguments.json")


def arguments() -> dict[str, dict[str, Any]]:
    """As resolved for the default recipe, on the CPU."""
    policy = grpo_config(PolicyConfig(bf16=False), Path("x"), seed=0, on_cpu=True)
    reward_model = training_arguments(RewardModelConfig(bf16=False), Path("x"), 100, 0)
    return {"policy": resolved(policy), "reward-model": {**resolved(reward_model), "use_cpu": True}}


def test_resolved_arguments_are_those_that_we_know() -> None:
    assert arguments() == json.loads(KNOWN.read_text())


def test_every_field_of_trl_is_set_by_us_or_pinned_or_shapes_nothing() -> None:
    decided = {*OWNED, *PLACING, *GRPO, *TRAINER, *DEPRECATED}
    assert set(grpo_fields()) - decided == set(), "does it shape the policy? then pin it, else add it to PLACING"
    assert not PLACING & {*GRPO, *TRAINER}


def test_what_is_pinned_is_what_the_libraries_do_today() -> None:
    for pinned, kind in ((TRAINER, TrainingArguments), (GRPO, GRPOConfig)):
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
        assert {name: defaults[name] for name in pinned} == pinned


def test_places_and_secrets_are_left_out() -> None:
    made = TrainingArguments(output_dir="/home/me/x", hub_token="hf_secret", use_cpu=True, run_name="mine")
    told = json.dumps(resolved(made))
    assert "secret" not in told
    assert "/home/me" not in told
    assert "mine" not in told


if __name__ == "__main__":
    print(json.dumps(arguments(), indent=1, sort_keys=True))
