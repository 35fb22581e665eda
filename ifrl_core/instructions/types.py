"""Whether the constraint types that a recipe names exist, and are enough for the levels that training asks."""

from collections.abc import Sequence

from ifrl_core.config import PipelineConfig
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.errors import ConfigError, ConstraintError


def check_types(recipe: PipelineConfig) -> None:
    """
    Raises:
        ConfigError: naming the field, for a type that does not exist, or for fewer types than an instruction needs.
    """
    chosen, training = recipe.instructions, recipe.policy
    for field, names in (
        ("instructions.types", chosen.types),
        ("instructions.weights", tuple(chosen.weights)),
        ("policy.reward.weights", tuple(training.reward.weights)),
    ):
        _check_names(field, names)
    if chosen.writer != "catalog":  # a model may write as many of its own as it likes
        return
    usable = sum(type_.min_words <= chosen.max_words for type_ in chosen_types(chosen.types or None))
    highest = max(level for levels in training.curriculum.levels for level in levels)
    needed = max(chosen.min_constraints, highest)
    if usable < needed:
        raise ConfigError(
            f"instructions.types gives {usable} types that can be met in {chosen.max_words} words (instructions.max_words), "
            f"and no type comes twice in an instruction, which needs {needed} (the larger of min_constraints and the highest "
            "of policy.curriculum.levels): name more types, allow more words, or ask fewer levels"
        )


def _check_names(field: str, names: Sequence[str]) -> None:
    try:
        chosen_types(names)
    except ConstraintError as error:
        raise ConfigError(f"{field}: {error}") from None
