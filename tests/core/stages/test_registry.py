"""What stages declare, and what is asked of them: one list, and nothing heavy loaded for it."""

import importlib.util
import inspect
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import ExecutionConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.policy.stage import train_policy
from ifrl_core.seeds.stage import make_seeds
from ifrl_core.stages import registry
from ifrl_core.stages.stage import Stage
from tests.core.test_imports import modules_after

STAGES = registry.stages()


def ref(name: str) -> ArtifactRef:
    return ArtifactRef(uri=f"/x/{name}", stage=name, fingerprint="0" * 64, digest="0" * 64, rows=1, schema_version=1)


def test_the_registry_loads_no_framework() -> None:
    loaded = modules_after("from ifrl_core.stages import registry; registry.stages()")
    assert not loaded & {"torch", "trl", "accelerate", "prefect", "mlflow"}


def test_every_declared_stage_of_the_library_is_in_the_registry() -> None:
    root = Path(inspect.getfile(registry)).parents[1]
    bodies = sum(path.read_text().count("\n@stage(") for path in root.rglob("*.py"))
    assert bodies == len({stage.body for stage in STAGES})


def test_stages_of_one_name_are_one_stage_and_labels_tell_uses_apart() -> None:
    assert len({(stage.label, stage.name) for stage in STAGES}) == len(STAGES)
    for stage in STAGES:
        assert registry.find(stage.name).body is stage.body
        assert not stage.label[-1].isdigit(), "rounds are told by the number after a label"
    with pytest.raises(ConfigError, match="there is no stage rm; stages are seeds, "):
        registry.find("rm")


def test_an_input_is_the_output_of_a_stage_of_the_pipeline() -> None:
    outputs = {stage.output for stage in STAGES} | {"answers"}  # of one of the two models
    for stage in STAGES:
        assert {*(stage.inputs or ()), *stage.inputs_when, *stage.inputs_of_parts} <= outputs


def test_a_recipe_makes_stages_with_the_config_that_their_bodies_take() -> None:
    config = load_recipe("demo-cpu", ["policy.general.ratio=0.5", "ladder.order=easy_to_hard"])
    made_with = {stage: stage.configs(config) for stage in STAGES}
    assert {stage for stage, chosen in made_with.items() if not chosen} <= {s for s in STAGES if s.optional or s.each}
    for stage, chosen in made_with.items():
        assert all(type(of_label) is stage.config_type for of_label in chosen.values())


def test_what_is_missing_is_seen_before_the_stages_that_need_it_and_by_them_alone() -> None:
    config = load_recipe("demo-cpu", ["evaluation.ifeval_path=nowhere.jsonl"])
    with pytest.raises(InputError, match=r"nowhere\.jsonl"):
        registry.look(config)
    plan = registry.look(config, until=train_policy)
    assert (next(iter(plan)), list(plan)[-1]) == ("seeds", "policy")
    assert "seeds" not in registry.look(config, until=train_policy, without=[make_seeds])


def test_a_server_that_nobody_names_and_a_machine_that_cannot_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IFRL_SERVER_URLS", raising=False)
    served = ["rollouts.engine=server", "rollouts.served_model=m"]
    with pytest.raises(ConfigError, match="engine server needs IFRL_SERVER_URLS"):
        registry.look(load_recipe("demo-cpu", served))
    wish = ["policy.launch={device: gpu, processes_per_machine: 99}", "policy.micro_batch=1"]
    wish += ["policy.prompts_per_step=99"]
    with pytest.raises(ConfigError, match="wants 99 GPUs on a machine"):
        registry.look(load_recipe("demo-cpu", wish))
    registry.look(load_recipe("demo-cpu", [*wish, "execution.pool=gpu"]))  # checked where it runs


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_where_there_is_none_is_refused_by_the_section_that_names_it() -> None:
    for section in ("rollouts", "evaluation"):
        with pytest.raises(ConfigError, match=rf"{section}.engine vllm: vLLM is not installed"):
            registry.look(load_recipe("demo-cpu", [f"{section}.engine=vllm"]))
    registry.look(load_recipe("demo-cpu", ["evaluation.engine=vllm", "execution.deployments={evaluation: gpu}"]))


def test_a_stage_takes_the_inputs_that_the_recipe_calls_for() -> None:
    refs = {stage.output: ref(stage.name) for stage in STAGES}

    def taken(stage: str, *overrides: str) -> set[str]:
        return set(registry.find(stage).inputs_of(load_recipe("demo-cpu", overrides), refs))

    assert taken("instructions") == {"seeds"}
    assert taken("instructions", "instructions.sampling=corridor") == {"seeds", "pass_rates"}
    assert taken("instructions", "instructions.writer=self") == {"seeds", "model"}
    assert taken("prompts", "ladder.order=easy_to_hard") == {"instructions", "model", "pass_rates"}
    assert taken("policy", "policy.general.ratio=0.5") == {"model", "prompts", "reward_model", "general"}
    assert taken("report") == set(refs)


def test_names_of_stages_in_a_recipe_are_those_that_may_be_placed() -> None:
    names = [
        "pass-rates",
        "instructions",
        "histories",
        "rollouts",
        "instructor",
        "instructor-instructions",
        "reward-model",
        "warm-start",
        "policy",
        "answers",
        "judgements",
        "evaluation",
        "scores",
    ]
    schema = ExecutionConfig.model_json_schema()["properties"]["deployments"]
    assert schema["propertyNames"] == {"enum": names}
    with pytest.raises(ValueError, match=r"Input should be 'pass-rates', .* or 'scores'"):
        ExecutionConfig(deployments={"labels": "gpu"})


def pooled(stage: Stage) -> bool:
    return ExecutionConfig(pool="gpu").deployment_of(stage) is not None


def test_a_pool_takes_what_always_uses_the_model() -> None:
    assert {stage.name for stage in STAGES if pooled(stage)} == {
        "pass-rates",
        "histories",
        "rollouts",
        "instructor",
        "reward-model",
        "warm-start",
        "policy",
        "answers",
        "evaluation",
        "scores",
    }
