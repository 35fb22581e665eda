"""The stage `instructor`: GRPO of the policy's twin on what it writes, by what the rollouts of the round showed.

Pass rates are those of the types in rollouts that there are already: to answer every written set would double the price.
"""

from ifrl_core.config import (
    CurriculumConfig,
    GeneralConfig,
    InstructionsConfig,
    PipelineConfig,
    PolicyConfig,
    StageConfig,
)
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.errors import InputError
from ifrl_core.evolving.seen import seen_in
from ifrl_core.evolving.stage import source_of, train_requests
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.writers import prompt
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.job import Job
from ifrl_core.policy.stage import fitting_prompts, train_job
from ifrl_core.policy.tables import metrics_table, run_figures, samples_table, steps_of
from ifrl_core.records import Row, packed
from ifrl_core.rewards.writing import WritingPlan
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.training.checkpoints import COMPLETIONS
from ifrl_core.training.job import CHECKPOINTS, FINAL, metrics_by_step

_MOST_PROMPT_TOKENS = 4096  # of a seed with its references; the model's positions bound it too


class InstructorPlan(StageConfig):
    """How it is trained, as the policy is, and how instructions are written."""

    policy: PolicyConfig
    instructions: InstructionsConfig


def instructor_plan(recipe: PipelineConfig) -> InstructorPlan | None:
    chosen = answerable(recipe)
    if chosen.writer != "instructor":
        return None
    policy = recipe.policy.model_copy(
        update={
            "max_steps": chosen.instructor.steps,
            "max_tokens": chosen.model_writer.max_tokens,
            "max_prompt_tokens": _MOST_PROMPT_TOKENS,
            "curriculum": CurriculumConfig(strategy="final", levels=((1,),)),
            "general": GeneralConfig(),
            "evaluate_every": None,
            "keep": "last",
            "turns": "last",
        }
    )
    return InstructorPlan(policy=policy, instructions=chosen)


@stage(
    "instructor",
    version=2,
    inputs=("model", "instructions", "prompts", "rollouts"),
    config=instructor_plan,
    content=lambda plan: (
        drawing_of(plan.instructions.types) | rules_of(plan.instructions) | {"prompt.txt": prompt.template_digest()}
    ),
    optional=True,
    reads_answers=True,
    placeable=True,
)
def train_instructor(plan: InstructorPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (the twin as it is), and of the round instructions, prompts and rollouts. Writes model/, metrics.parquet
    and samples.parquet as the stage policy does.

    Raises:
        ConfigError: when this machine cannot run the training.
        InputError: when no seed leaves room for a reply.
        TrainingError: when the training process fails otherwise.
    """
    model = model_folder(inputs["model"], work.store)
    rows = fitting_prompts(_asked(plan.instructions, inputs, work), model, plan.policy)
    if not rows:
        raise InputError(
            "no seed leaves the model room to write constraints: use a smaller instructions.model_writer.max_tokens or "
            "references, or a model with more positions"
        )
    seen = seen_in(inputs["prompts"], inputs["rollouts"], work.store)
    writing = WritingPlan(instructions=plan.instructions, rates={name: seen.of_type(name) for name in seen.types()})
    job = Job(
        config=plan.policy,
        model=model.resolve(),
        reward_model=None,
        seed=work.seed,
        reasoning=work.reasoning,
        folder=work.scratch.resolve(),
        writing=writing,
    )
    train_job(job, rows, work)
    metrics = steps_of(metrics_by_step(work.scratch))
    work.writer.write_folder(work.scratch / FINAL, prefix="model")
    work.writer.write_table("metrics.parquet", metrics_table(metrics))
    work.writer.write_table("samples.parquet", samples_table(work.scratch / CHECKPOINTS / COMPLETIONS))
    names = sorted(name for name in metrics[-1] if name.startswith("writing/"))
    kept = ("steps", "reward_first", "reward_last", "zero_variance_share", "seconds_per_step")
    figures = run_figures(metrics)
    return {
        **{name: figures[name] for name in kept},
        "writing": {name.partition("/")[2]: [row.get(name) for row in (metrics[0], metrics[-1])] for name in names},
    }


def _asked(config: InstructionsConfig, inputs: Inputs, work: Work) -> list[Row]:
    """A prompt for each train seed, as rows of job.POOL."""
    return [
        {
            "prompt": prompt.messages(request, config, source_of(request, inputs, work)),
            "prompt_id": f"{request.seed_id}-write",
            "level": 1,
            "seed": request.text,
            "conversation": packed(request.conversation) if request.conversation else None,
            "constraints": [],
        }
        for request in train_requests(inputs, work)
    ]
