"""Evaluation of one model on the benchmarks whose prompts it is given.

The same prompts, sampling and seeds are used for every model, so that two evaluations can be compared pair by pair.
"""

from dataclasses import replace

import pyarrow as pa

from ifrl_core.config import EvaluationConfig, PipelineConfig
from ifrl_core.evaluation.benchmarks.registry import BENCHMARKS
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


def evaluation_config(recipe: PipelineConfig) -> EvaluationConfig:
    """The section without where IFEval's file lies, which is no part of what is measured: its rows are an input."""
    return recipe.evaluation.model_copy(update={"ifeval_path": None})


@stage(
    "evaluation",
    version=3,
    inputs=("prompts", "reward_model", "model"),
    inputs_when={
        "ifeval": lambda recipe: recipe.evaluation.ifeval_path is not None,
        "general": lambda recipe: recipe.evaluation.general_prompts > 0,
    },
    config=evaluation_config,
    placeable=True,
)
def evaluate(config: EvaluationConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (base or policy), prompts, reward_model; ifeval and general (problems) when they are to be asked."""
    engine = open_engine(config, inputs["model"], work.store)
    completed = []
    for benchmark in BENCHMARKS:
        if benchmark.source in inputs:
            questions = benchmark.questions(config, inputs, work)
            completions = engine.generate(questions.requests, questions.sampling, work.progress)
            completed.append((benchmark, questions.rows, completions))
    del engine
    forget_engine()
    figures: Figures = {}
    for benchmark, rows, completions in completed:
        answers = benchmark.answers(rows, completions, inputs, work.store)
        work.writer.write_table(benchmark.table, pa.Table.from_pylist(answers, schema=benchmark.columns))
        figures |= benchmark.figures(answers)
    return figures


evaluate_before = replace(evaluate, label="evaluation-before", output="before", title="Evaluation before")
evaluate_after = replace(evaluate, label="evaluation-after", output="after", title="Evaluation after")
