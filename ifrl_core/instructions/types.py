"""Whether the constraint types that a recipe names exist, and are enough for what else it asks of them."""

from collections.abc import Collection, Iterator, Sequence

from ifrl_core.config import PipelineConfig
from ifrl_core.config.modes import changed, value_at
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.constraints.turn_types import askable
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.errors import ConfigError, ConstraintError
from ifrl_core.instructions.budget import answer_budget, answerable
from ifrl_core.records import Conversation

# What rests on constraints of one kind: the key, and the value of it that does (None: every one but the default).
_ON_RULES = (
    ("instructions.sampling", "corridor"),
    ("ladder.order", "easy_to_hard"),
    ("labels.positives", None),
    ("labels.contradicted", None),
    ("labels.drop_types_without_contrast", None),
    ("reward_model.noise", None),
)
_ON_READERS = (
    ("policy.reward.aggregation", "reliability"),
    ("policy.reward.soft", "likelihood"),
    ("policy.launch.reward_model", "service"),
)


def check_types(recipe: PipelineConfig) -> None:
    """
    Raises:
        ConfigError: naming the field, for a type that does not exist, for fewer types than an instruction needs, or for an
            option that rests on hard or soft constraints where none can be drawn.
    """
    chosen, training = recipe.instructions, recipe.policy
    for field, names in (
        ("instructions.types", chosen.types),
        ("instructions.weights", tuple(chosen.weights)),
        ("policy.reward.weights", tuple(training.reward.weights)),
    ):
        _check_names(field, names)
    if chosen.model_writes:  # a model may write as many of its own as it likes
        return
    usable = len(_usable(recipe))
    highest = max(level for levels in training.curriculum.levels for level in levels)
    needed = max(chosen.min_constraints, highest)
    if usable < needed:
        raise ConfigError(
            f"instructions.types gives {usable} types that can be met in {answer_budget(recipe)}, "
            f"and no type comes twice in an instruction, which needs {needed} (the larger of min_constraints and the highest "
            "of policy.curriculum.levels): name more types, allow longer answers, or ask fewer levels"
        )
    if faults := list(_kind_faults(recipe)):
        raise ConfigError("\n".join(faults))


def count_not_askable(recipe: PipelineConfig, conversations: Collection[Conversation]) -> int:
    """Of how many conversations none of instructions.types can be asked; a model that writes is asked for others.

    Raises:
        ConfigError: when that is all of them.
    """
    if recipe.instructions.model_writes:
        return 0
    types = chosen_types(recipe.instructions.types or None)
    count = sum(not any(askable(type_, conversation) for type_ in types) for conversation in conversations)
    if count and count == len(conversations):
        raise ConfigError(
            "instructions.types: none of them can be asked of any seed, as none has what they are about (a history, a system "
            "message, tools): name other types, or other seeds"
        )
    return count


def drawn_kinds(recipe: PipelineConfig) -> set[str]:
    """The kinds of constraints that instructions can have: hard, soft."""
    if recipe.instructions.model_writes:
        return {"hard", "soft"}
    kinds: set[str] = {type_.kind for type_ in _usable(recipe)}
    none = {0.0: "hard", 1.0: "soft"}.get(recipe.instructions.hard_share, "")
    return kinds - {none} or kinds  # of types of one kind alone, that kind is drawn whatever the share


def _usable(recipe: PipelineConfig) -> list[ConstraintType]:
    chosen = answerable(recipe)
    return [type_ for type_ in chosen_types(chosen.types or None) if type_.min_words <= chosen.max_words]


def _kind_faults(recipe: PipelineConfig) -> Iterator[str]:
    kinds = drawn_kinds(recipe)
    for kind, options in (("hard", _ON_RULES), ("soft", _ON_READERS)):
        for path, resting in () if kind in kinds else options:
            value = value_at(recipe, path)
            if any(changed(recipe, path)) if resting is None else value == resting:
                yield (
                    f"{path} {value} rests on {kind} constraints, and instructions.types and hard_share "
                    f"{recipe.instructions.hard_share:g} give none: leave it at its default, or draw {kind} ones too"
                )


def _check_names(field: str, names: Sequence[str]) -> None:
    try:
        chosen_types(names)
    except ConstraintError as error:
        raise ConfigError(f"{field}: {error}") from None
