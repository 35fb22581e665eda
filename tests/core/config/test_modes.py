"""Fields outside their mode: refused with the remedy, one rule for all of them."""

from typing import Any

import pytest

from ifrl_core.config import PipelineConfig
from ifrl_core.config.faults import field_at
from ifrl_core.config.modes import GENERATING, MODES
from ifrl_core.config.recipes import build_config, shipped_recipes
from ifrl_core.errors import ConfigError

# A value other than the default for each field, and what switches the field on.
LLM = {"instructions.writer": "llm", "instructions.model_writer.model": "./writer"}
JUDGE = {"evaluation.judge.model": "./judge"}
VLLM = {"tensor_parallel_size": 2, "max_model_len": 4096, "gpu_memory_utilization": 0.5}
ON: dict[str, tuple[Any, dict[str, Any]]] = {
    "reasoning.open": ("<plan>", {}),
    "reasoning.close": ("</plan>", {}),
    "instructions.corridor.max_tokens": (9, {"ladder.order": "easy_to_hard"}),
    "instructions.corridor.low": (0.1, {"instructions.sampling": "corridor"}),
    "instructions.corridor.high": (0.9, {"instructions.sampling": "corridor"}),
    "instructions.corridor.rounds": (5, {"instructions.sampling": "corridor"}),
    "instructions.evolving.low": (0.2, {"instructions.writer": "evolving"}),
    "instructions.evolving.high": (0.8, {"instructions.writer": "evolving"}),
    "instructions.instructor.steps": (5, {"instructions.writer": "instructor"}),
    "instructions.instructor.quota": (0.5, {"instructions.writer": "instructor"}),
    "instructions.model_writer.attempts": (4, {"instructions.writer": "self"}),
    "instructions.model_writer.fallback": ("none", {"instructions.writer": "self"}),
    "instructions.model_writer.model": ("./writer", {"instructions.writer": "llm"}),
    "instructions.model_writer.structured_output": (False, LLM | {"instructions.model_writer.engine": "vllm"}),
    "instructions.model_writer.top_p": (0.5, LLM),
    "instructions.weights": ({"tone:": 2}, {"instructions.sampling": "weighted"}),
    "rollouts.top_p": (0.5, {}),
    "rollouts.samples": (2, {}),
    "labels.positives": ("best_of_n", {"rollouts.samples": 2}),
    "policy.launch.reward_model": ("service", {}),
    "policy.reward.weights": ({"tone:": 2}, {"policy.reward.aggregation": "weighted"}),
    "policy.reward.decay": (0.5, {"policy.reward.aggregation": "ordered"}),
    "policy.reward.intent": ("embedding", {}),
    "policy.reward.intent_threshold": (0.7, {"policy.reward.intent": "embedding"}),
    "policy.guards.patience": (6, {}),
    "policy.curriculum.promote_at": (0.6, {}),
    "policy.curriculum.window": (6, {"policy.curriculum.promote_at": 0.6}),
    "policy.curriculum.low": (0.1, {"policy.curriculum.strategy": "corridor"}),
    "policy.curriculum.high": (0.9, {"policy.curriculum.strategy": "corridor"}),
    "policy.curriculum.passed": ("all", {"policy.curriculum.strategy": "corridor"}),
    "policy.curriculum.remeasured": (0.5, {"policy.curriculum.strategy": "corridor"}),
    "policy.general.sources": (["builtin:math"], {"policy.general.ratio": 0.5}),
    "policy.general.held_out_share": (0.4, {}),
    "reward_model.launch.offload": (True, {"reward_model.launch.strategy": "zero3"}),
    "policy.launch.offload": (True, {"policy.launch.strategy": "zero3"}),
    "policy.launch.vllm_gpu_memory_utilization": (0.4, {"policy.generation": "vllm_colocate"}),
    "evaluation.samples": (2, {}),
    "evaluation.general_max_tokens": (99, {}),
    "retrain.general_prompts": (70, {}),
    "rollouts.served_model": ("m", {"rollouts.engine": "server"}),
    "evaluation.served_model": ("m", {"evaluation.engine": "server", "evaluation.served_policy": "p"}),
    "evaluation.served_policy": ("p", {"evaluation.engine": "server", "evaluation.served_model": "m"}),
    "instructions.corridor.served_model": (
        "m",
        {"ladder.order": "easy_to_hard", "instructions.corridor.engine": "server"},
    ),
    "evaluation.judge.served_model": ("m", JUDGE | {"evaluation.judge.engine": "server"}),
    "evaluation.judge.revision": (
        "may",
        {"evaluation.judge.engine": "server", "evaluation.judge.served_model": "m"},
    ),
    "instructions.model_writer.served_model": (
        "m",
        {"instructions.writer": "self", "instructions.model_writer.engine": "server"},
    ),
}
for section in GENERATING:
    way = {
        "instructions.corridor": {"ladder.order": "easy_to_hard"},
        "instructions.model_writer": LLM,
        "evaluation.judge": JUDGE,
    }.get(section, {})
    ON |= {f"{section}.vllm.{name}": (value, way | {f"{section}.engine": "vllm"}) for name, value in VLLM.items()}
    ON |= {f"{section}.batch_size": (65, way), f"{section}.dtype": ("float32", way)}

# What switches off again those that count by default.
SERVED = {
    "instructions.model_writer": {"instructions.writer": "self"},
    "instructions.corridor": {"ladder.order": "easy_to_hard"},
    "evaluation": {"evaluation.served_policy": "p"},
}
OFF: dict[str, dict[str, Any]] = {
    "reasoning.open": {"reasoning.format": "none"},
    "reasoning.close": {"reasoning.format": "none"},
    "rollouts.top_p": {"rollouts.temperature": 0},
    "rollouts.samples": {"rollouts.temperature": 0},
    "instructions.model_writer.top_p": LLM | {"instructions.model_writer.temperature": 0},
    "policy.launch.reward_model": {"policy.reward.soft": "likelihood"},
    "policy.reward.intent": {"policy.reward.intent_factor": 1},
    "policy.guards.patience": {"policy.guards.min_entropy": 0, "policy.guards.min_length": 0},
    "policy.general.sources": {"retrain.accuracy_margin": None},
    "policy.general.held_out_share": {"retrain.accuracy_margin": None},
    "policy.curriculum.promote_at": {"policy.curriculum.strategy": "mixed"},
    "evaluation.samples": {"evaluation.temperature": 0},
    "evaluation.general_max_tokens": {"retrain.accuracy_margin": None},
    "retrain.general_prompts": {"retrain.accuracy_margin": None},
} | {
    f"{section}.{name}": SERVED.get(section, {}) | {f"{section}.engine": "server", f"{section}.served_model": "m"}
    for section in GENERATING
    for name in ("batch_size", "dtype")
}
OFF |= {path: JUDGE for path in ON if path.startswith("evaluation.judge.") and path not in OFF}


def document(values: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, value in values.items():
        *parents, name = path.split(".")
        section = made
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    return made


def leaves(path: str) -> list[str]:
    field = field_at(PipelineConfig, path.split("."))
    assert field is not None, path
    inner = getattr(field.annotation, "model_fields", None)
    return [path] if inner is None else [leaf for name in inner for leaf in leaves(f"{path}.{name}")]


FIELDS = {leaf for mode in MODES for field in mode.fields for leaf in leaves(field)}
TRIED = sorted(ON.keys() & FIELDS)


def test_every_field_of_the_table_is_tried_here_or_lies_in_a_section_that_is() -> None:
    sections = ("instructions.corridor.", "instructions.model_writer.")
    assert FIELDS - ON.keys() == {field for field in FIELDS - ON.keys() if field.startswith(sections)}


def test_what_a_description_says_is_for_a_mode_is_in_the_table() -> None:
    said = {path for path in leaves_of(PipelineConfig) if is_for_a_mode(path)}
    assert said <= FIELDS


def leaves_of(root: type[PipelineConfig]) -> list[str]:
    return [leaf for name in root.model_fields for leaf in leaves(name)]


def is_for_a_mode(path: str) -> bool:
    field = field_at(PipelineConfig, path.split("."))
    return field is not None and (field.description or "").startswith("For ")


@pytest.mark.parametrize("path", TRIED)
def test_a_field_outside_its_mode_is_refused_by_name_with_what_it_counts_with(path: str) -> None:
    value, on = ON[path]
    build_config(document(on | {path: value}))
    with pytest.raises(ConfigError) as refused:
        build_config(document(OFF.get(path, {}) | {path: value}))
    message = str(refused.value)
    assert path in message or path.rpartition(".")[0] in message, message
    default = field_at(PipelineConfig, path.split("."))
    assert default is not None
    build_config(document(OFF.get(path, {}) | {path: default.get_default(call_default_factory=True)}))


def test_settings_of_ifeval_wait_for_its_file() -> None:
    assert build_config({"evaluation": {"ifeval_prompts": 3}}).evaluation.ifeval_prompts == 3


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_written_out_in_full_is_the_same_recipe(name: str) -> None:
    """As Prefect's form sends it, with every default."""
    from ifrl_core.config.recipes import load_recipe

    config = load_recipe(name)
    assert build_config(config.model_dump()) == config
    assert build_config(config.model_dump(mode="json")) == config
