"""Whether a recipe's models have the positions and layers that it asks of them, before anything starts."""

import re
from collections.abc import Iterator

from safetensors import safe_open

from ifrl_core.config import PipelineConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.folder import local_folder
from ifrl_core.models.lengths import answer_fault, length_faults
from ifrl_core.models.looks.build import check_reward_model
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.folder import look_at_policy
from ifrl_core.models.looks.kind import read_config
from ifrl_core.models.shapes import model_shape
from ifrl_core.models.uri import form


def check_policy(recipe: PipelineConfig) -> None:
    """Of the recipe's model: policy, and backbone of the reward model.

    Raises:
        ConfigError: when lengths or layers of the recipe are more than the model has.
        ModelError: when a reward model cannot be made of it.
    """
    uri, layers = recipe.model, recipe.reward_model.layers
    faults = length_faults(recipe, _positions(uri))
    if form(uri) != "embedded":
        folder = local_folder(uri)
        shortest = look_at_policy(folder, uri).tokens  # it was looked at before: the same answer
        if shortest > recipe.policy.max_prompt_tokens:
            faults.append(
                f"policy.max_prompt_tokens {recipe.policy.max_prompt_tokens} is less than the {shortest} tokens of a short "
                "seed in the model's chat template, so that no prompt is left to train on; use more"
            )
        if layers is not None:
            check_reward_model(folder, layers, uri)
    elif layers is not None and layers > (most := model_shape(uri).layers):
        faults.append(f"reward_model.layers {layers}: the model has {most} layers; use at most {most}")
    faults += _trained_faults(recipe)
    if faults:
        raise ConfigError(f"recipe {recipe.name} cannot work with model {uri!r}:\n  " + "\n  ".join(faults))


def _trained_faults(recipe: PipelineConfig) -> Iterator[str]:
    """Layers and modules that `policy` names and the model has not; of a model that does not say, nothing is said."""
    uri, trained, lora = recipe.model, recipe.policy.trained_layers, recipe.policy.lora
    if trained is not None and (most := _layers(uri)) and trained > most:
        yield f"policy.trained_layers {trained}: the model has {most} layers; use at most {most}"
    if lora is None or lora.target_modules == "all-linear":
        return
    wanted, names = lora.target_modules, _module_names(uri)
    if isinstance(wanted, str):  # a pattern, as peft reads it
        unknown = [] if any(re.fullmatch(wanted, name) for name in names) else [wanted]
    else:
        unknown = [end for end in wanted if not any(f".{name}".endswith(f".{end}") for name in names)]
    if names and unknown:
        have = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        yield f"policy.lora.target_modules {', '.join(unknown)}: the model has no such module; its own are {have}"


def _layers(uri: str) -> int | None:
    if form(uri) == "embedded":
        return model_shape(uri).layers
    layers: int | None = read_config(local_folder(uri), uri).get("num_hidden_layers")
    return layers


def _module_names(uri: str) -> list[str]:
    """Names of the modules that have weights, from the heads of safetensors files."""
    if form(uri) == "embedded":
        linears = model_shape(uri).linears
        return [f"model.layers.0.{'self_attn' if name[0] in 'qkvo' else 'mlp'}.{name}" for name in linears]
    names: set[str] = set()
    for path in local_folder(uri).glob("*.safetensors"):
        with safe_open(path, framework="numpy") as weights:
            names |= {name.removesuffix(".weight") for name in weights.keys() if name.endswith(".weight")}  # noqa: SIM118
    return sorted(names)


def check_writer(recipe: PipelineConfig) -> None:
    """Of a model that writes constraints.

    Raises:
        ConfigError: when its replies leave no room for a prompt.
    """
    writer = recipe.instructions.model_writer
    fault = answer_fault("instructions.model_writer.max_tokens", writer.max_tokens, _positions(writer.model))
    if fault:
        raise ConfigError(f"recipe {recipe.name} cannot work with model {writer.model!r}: {fault}")


def _positions(uri: str) -> int | None:
    if form(uri) == "embedded":
        return model_shape(uri).positions
    return positions_of(read_config(local_folder(uri), uri))
