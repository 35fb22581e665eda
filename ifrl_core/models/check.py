"""Whether a recipe's models have the positions and layers that it asks of them, before anything starts."""

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
    if faults:
        raise ConfigError(f"recipe {recipe.name} cannot work with model {uri!r}:\n  " + "\n  ".join(faults))


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
