"""What `policy.grpo` may hold: every field of trl's GRPOConfig but those that ifrl sets."""

import dataclasses
from pathlib import Path

import pytest
from trl.trainer.grpo_config import GRPOConfig

from ifrl_core.config import PolicyConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.config.trl_fields import OWNED, SAMPLING, grpo_fields
from ifrl_core.errors import ConfigError
from ifrl_core.policy.launch import check_grpo


def test_the_fields_read_from_the_source_are_those_of_the_class() -> None:
    assert set(grpo_fields()) == {field.name for field in dataclasses.fields(GRPOConfig) if field.init}
    assert set(OWNED) <= set(grpo_fields())
    assert set(SAMPLING) <= set(grpo_fields())


def test_all_that_the_training_process_sets_is_owned() -> None:
    from ifrl_core.policy.grpo_arguments import _arguments

    free = {"top_k", "vllm_max_model_length", "ddp_find_unused_parameters"}  # defaults that a recipe may change
    for generation in ("transformers", "vllm_colocate"):
        config = PolicyConfig(generation=generation)  # type: ignore[arg-type]
        assert set(_arguments(config, Path("x"), seed=0, on_cpu=True)) - free <= set(OWNED)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rate": 1e-5}, "learning_rate is set by ifrl: use policy.learning_rate instead"),
        ({"use_vllm": True}, "use_vllm is set by ifrl: use policy.generation instead"),
        ({"epsilonhigh": 0.3}, "epsilonhigh is no field of trl's GRPOConfig, did you mean epsilon_high?"),
        ({"lerning_rate": 1}, "did you mean policy.learning_rate?"),
        ({"num_iterations": 7}, "grpo.num_iterations 7 does not divide max_steps"),
    ],
)
def test_other_names_are_refused_with_what_to_use(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        build_config({"policy": {"grpo": fields, "max_steps": 6}})


def test_a_value_that_trl_refuses_is_a_config_error() -> None:
    from ifrl_core.policy.grpo_arguments import grpo_config

    made = grpo_config(
        PolicyConfig(grpo={"epsilon_high": 0.28, "top_k": 5}, bf16=False), Path("x"), seed=0, on_cpu=True
    )
    assert (made.epsilon_high, made.top_k, made.num_generations, made.beta) == (0.28, 5, 5, 0.01)
    with pytest.raises(ConfigError, match="trl refuses"):
        grpo_config(PolicyConfig(grpo={"optim": "sgdd"}, bf16=False), Path("x"), seed=0, on_cpu=True)


@pytest.mark.e2e
def test_a_value_that_trl_refuses_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"trl refuses the configuration of the policy \(policy.grpo\): .*sgdd"):
        check_grpo(PolicyConfig(grpo={"optim": "sgdd"}, bf16=False))
