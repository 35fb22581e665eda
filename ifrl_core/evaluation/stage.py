"""Evaluation of one model on the benchmarks whose prompts it is given.

The same prompts, sampling and seeds are used for every model, so that two evaluations can be compared pair by pair.
"""

from dataclasses import replace
from pathlib import PurePath

import pyarrow as pa

from ifrl_core.config import EvaluationConfig, PipelineConfig
from ifrl_core.constraints.catalog.registry import IFEVAL_TYPES
from ifrl_core.constraints.identity import Judging, judging, rules_of
from ifrl_core.evaluation.asked_table import BENCHMARKS
from ifrl_core.evaluation.off_task import embedding_in_use
from ifrl_core.inference.engine import no_room
from ifrl_core.inference.open import check_engine, describe_engine, forget_engine, open_engine
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


class EvaluationPlan(EvaluationConfig, Judging):
    """The section, and the types whose rules judge; IFEval's file by its name alone, since its rows are an input."""


def evaluation_plan(recipe: PipelineConfig) -> EvaluationPlan:
    """With IFEval, its types are judged too."""
    path, types = recipe.evaluation.ifeval_path, recipe.instructions.types
    plan: EvaluationPlan = judging(EvaluationPlan, recipe.evaluation, recipe)
    if path is None:
        return plan
    known = (*types, *IFEVAL_TYPES) if types else ()
    return plan.model_copy(update={"ifeval_path": PurePath(path).name, "types": known})


def _check(recipe: PipelineConfig) -> None:
    check_engine(recipe.evaluation, "evaluation", here=recipe.execution.deployment_of(evaluate) is None)


@stage(
    "evaluation",
    version=4,
    inputs=("prompts", "reward_model", "model"),
    inputs_when={
        "ifeval": lambda recipe: recipe.evaluation.ifeval_path is not None,
        "general": lambda recipe: recipe.evaluation.general_prompts > 0,
    },
    config=evaluation_plan,
    check=_check,
    content=lambda config: rules_of(config) | embedding_in_use(),
    reads_answers=True,
    placeable=True,
)
def evaluate(config: EvaluationPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (base or policy), prompts, reward_model; ifeval and general (problems) when they are to be asked."""
    from ifrl_core.models.dtype import usable_dtype

    engine = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning)
    completed = []
    for benchmark in BENCHMARKS:
        if benchmark.source in inputs:
            questions = benchmark.questions(config, inputs, work)
            completions = engine.generate(questions.requests, questions.sampling, work.progress)
            completed.append((benchmark, questions.rows, completions))
    work.provenance.update(engine=describe_engine(config, inputs["model"]), scoring=usable_dtype())
    del engine
    forget_engine()
    figures: Figures = {"no_room": sum(no_room(completion) for *_, of_all in completed for completion in of_all)}
    for benchmark, rows, completions in completed:
        answers = benchmark.answers(rows, completions, inputs, work)
        work.writer.write_table(benchmark.table, pa.Table.from_pylist(answers, schema=benchmark.columns))
        figures |= benchmark.figures(answers)
    forget_engine()  # the memory of what scored the answers goes back too
    return figures


evaluate_before = replace(evaluate, label="evaluation-before", output="before", title="Evaluation before")
evaluate_after = replace(evaluate, label="evaluation-after", output="after", title="Evaluation after")
