"""Evaluation of one model on the benchmarks whose prompts it is given.

The same prompts, sampling and seeds are used for every model, so that two evaluations can be compared pair by pair.
"""

import pyarrow as pa

from ifrl_core.config import EvaluationConfig
from ifrl_core.evaluation.benchmarks.registry import BENCHMARKS
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


@stage("evaluation", version=3)
def evaluate(config: EvaluationConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (base or policy), prompts, reward_model; ifeval and general (problems) when they are to be asked."""
    engine = open_engine(config, inputs["model"], work.store)
    asked = []
    for benchmark in BENCHMARKS:
        if benchmark.source in inputs:
            questions = benchmark.questions(config, inputs, work)
            completions = engine.generate(questions.requests, questions.sampling, work.progress)
            asked.append((benchmark, questions.rows, completions))
    del engine
    forget_engine()
    figures: Figures = {}
    for benchmark, rows, completions in asked:
        answers = benchmark.answers(rows, completions, inputs, work.store)
        work.writer.write_table(benchmark.table, pa.Table.from_pylist(answers, schema=benchmark.columns))
        figures |= benchmark.figures(answers)
    return figures
