"""All stages, in the order of the method. A stage is a declaration in its own module, a line here, and a line of the wiring.

Tasks, placement, the form's names of stages, titles and the order of the report ask here. Modules are loaded when somebody
asks, so that a recipe is read without them.
"""

from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ifrl_core.errors import ConfigError

if TYPE_CHECKING:  # recipes ask for names of stages, and are read without the store
    from ifrl_core.stages.stage import Recipe, Stage

DECLARED = (
    "ifrl_core.seeds.stage:make_seeds",
    "ifrl_core.seeds.fresh:make_retrain_seeds",
    "ifrl_core.instructions.pass_rates:measure_pass_rates",
    "ifrl_core.instructions.stage:import_writer",
    "ifrl_core.instructions.stage:make_instructions",
    "ifrl_core.instructions.stage:make_prompts",
    "ifrl_core.models.stage:import_model",
    "ifrl_core.evaluation.suite.served:name_served_model",
    "ifrl_core.rollouts.histories:make_histories",
    "ifrl_core.rollouts.stage:make_rollouts",
    "ifrl_core.labels.stage:make_labels",
    "ifrl_core.rewards.problems.stage:make_problems",
    "ifrl_core.instructor.stage:train_instructor",
    "ifrl_core.instructor.write:write_instructions",
    "ifrl_core.evolving.stage:evolve_instructions",
    "ifrl_core.evolving.stage:evolve_prompts",
    "ifrl_core.policy.profile.stage:measure_profile",
    "ifrl_core.reward_model.train.stage:train_reward_model",
    "ifrl_core.warm_start.stage:train_warm_start",
    "ifrl_core.policy.stage:train_policy",
    "ifrl_core.evaluation.suite.rows:import_benchmark",
    "ifrl_core.evaluation.suite.general_rows:make_general_rows",
    "ifrl_core.evaluation.suite.judgements:import_judge",
    "ifrl_core.evaluation.suite.answers:answers_before",
    "ifrl_core.evaluation.suite.answers:answers_after",
    "ifrl_core.evaluation.suite.given_answers:take_answers",
    "ifrl_core.evaluation.suite.judgements:judgements_before",
    "ifrl_core.evaluation.suite.judgements:judgements_after",
    "ifrl_core.rollouts.histories:make_histories_after",
    "ifrl_core.evaluation.stage:evaluate_before",
    "ifrl_core.evaluation.stage:evaluate_after",
    "ifrl_core.evaluation.stage:evaluate_warm_start",
    "ifrl_core.evaluation.comparison:compare",
    "ifrl_core.evaluation.comparison:compare_warm_start",
    "ifrl_core.evaluation.soft_audit:audit_soft",
    "ifrl_core.reward_model.scores.pairs:import_pairs",
    "ifrl_core.reward_model.scores.stage:make_scores",
    "ifrl_core.report.benchmark_stage:write_benchmark_report",
    "ifrl_core.report.stage:write_report",
)

Plan = Mapping[str, BaseModel]  # what stages are made with, by label


@cache
def stages() -> tuple["Stage", ...]:
    """Every stage."""
    return tuple(getattr(import_module(module), name) for module, name in (line.split(":") for line in DECLARED))


def placeable() -> tuple[str, ...]:
    """Names of the stages that another work pool may run."""
    return tuple(dict.fromkeys(stage.name for stage in stages() if stage.placeable))


def find(name: str) -> "Stage":
    """A stage by its name.

    Raises:
        ConfigError: when there is none of that name.
    """
    for stage in stages():
        if stage.name == name:
            return stage
    raise ConfigError(f"there is no stage {name}; stages are {', '.join(dict.fromkeys(s.name for s in stages()))}")


def look(recipe: "Recipe", *, until: "Stage | None" = None, without: "Collection[Stage]" = ()) -> Plan:
    """What a recipe makes each stage with, as far as `until` (None: the last). Stages that it leaves out are not in it.

    Every file, model and server that these stages need is looked at, so that what is missing fails before any compute.

    Raises:
        ConfigError, InputError, ModelError: as `Stage.look`.
    """
    chosen = stages() if until is None else stages()[: stages().index(until) + 1]
    return {label: config for stage in chosen if stage not in without for label, config in stage.look(recipe).items()}
