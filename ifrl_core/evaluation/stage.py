"""Evaluation of one model on held-out instructions: it answers shard by shard, then rules and the reward model grade.

The same prompts, sampling and seeds are used for every model, so that two evaluations can be compared pair by pair. Outside
benchmarks have stages of their own (suite/).
"""

import math
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import EvaluationConfig, PipelineConfig
from ifrl_core.constraints.identity import Judging, judging, rules_of
from ifrl_core.evaluation.held_out import answers, answers_schema, asked_rows, requests_of, satisfaction
from ifrl_core.evaluation.off_task import embedding_in_use
from ifrl_core.evaluation.suite.answers import bounds, shard_name
from ifrl_core.inference.engine import Completion, Sampling, no_room
from ifrl_core.inference.open import check_engine, describe_engine, forget_engine, open_engine
from ifrl_core.records import Row
from ifrl_core.rewards.calls import calls_content
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage

COMPLETIONS = pa.schema(
    [
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
    ]
)
TABLE = "part-00000.parquet"


class EvaluationPlan(EvaluationConfig, Judging):
    """The section, and the types whose rules judge."""


def evaluation_plan(recipe: PipelineConfig) -> EvaluationPlan:
    """What a recipe's held-out instructions are asked and judged with."""
    plan: EvaluationPlan = judging(EvaluationPlan, recipe.evaluation, recipe)
    return plan


def _of_policy(recipe: PipelineConfig) -> EvaluationPlan:
    return evaluation_plan(recipe).sides()[1]


def _of_warm_start(recipe: PipelineConfig) -> EvaluationPlan | None:
    return None if recipe.policy.warm_start is None else _of_policy(recipe)


def _check(recipe: PipelineConfig) -> None:
    for side in recipe.evaluation.sides():
        check_engine(side, "evaluation", here=recipe.execution.deployment_of(evaluate) is None)


def shard_count(config: EvaluationPlan, inputs: Inputs, store: ArtifactStore) -> int:
    return math.ceil(len(_rows(config, inputs, store)) / config.items_per_shard)


def make_shard(config: EvaluationPlan, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """The completions of shard `index`: found if another run committed them, else generated and committed."""
    rows = _rows(config, inputs, work.store)
    places = bounds(index, config.items_per_shard, len(rows))
    name = shard_name("completions", places)
    return work.writer.once(name, lambda: _generate(config, inputs, work, name, rows[slice(*places)]))


def _of_base(recipe: PipelineConfig) -> EvaluationPlan:
    return evaluation_plan(recipe).sides()[0]


SHARDS = Shards("evaluation-shard", shard_count, make_shard)


@stage(
    "evaluation",
    version=5,
    inputs=("prompts", "reward_model", "model"),
    config=_of_base,
    check=_check,
    content=lambda config: rules_of(config) | calls_content(config) | embedding_in_use(),
    reads_answers=True,
    placeable=True,
    shards=SHARDS,
)
def evaluate(config: EvaluationPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (base or policy), prompts, reward_model. Gathers the shards, making those that are not there yet."""
    from ifrl_core.models.dtype import usable_dtype

    rows = _rows(config, inputs, work.store)
    SHARDS.made(config, inputs, work, "shards of answers")
    work.provenance.update(engine=describe_engine(config, inputs["model"]), scoring=usable_dtype())
    forget_engine()
    completions = [
        Completion(**row) for name in work.writer.names() for row in work.writer.read_table(name).to_pylist()
    ]
    graded = answers(rows, completions, inputs, work)
    work.writer.write_table(TABLE, pa.Table.from_pylist(graded, schema=answers_schema(graded)))
    forget_engine()  # the memory of what scored the answers goes back too
    return {"no_room": sum(map(no_room, completions)), **satisfaction(graded)}


evaluate_before = replace(evaluate, label="evaluation-before", output="before", title="Evaluation before")
evaluate_after = replace(
    evaluate, label="evaluation-after", output="after", title="Evaluation after", config=_of_policy
)

evaluate_warm_start = replace(
    evaluate,
    label="evaluation-warm-start",
    output="warm_started",
    title="Evaluation of the warm start",
    config=_of_warm_start,
    optional=True,
)


def _rows(config: EvaluationPlan, inputs: Inputs, store: ArtifactStore) -> list[Row]:
    return _asked(tuple(config.levels), config.samples, inputs["prompts"], store.root)


@lru_cache(maxsize=2)
def _asked(levels: tuple[int, ...], samples: int, prompts: ArtifactRef, root: str) -> list[Row]:
    """Read once a process, not once a shard."""
    return asked_rows(levels, samples, prompts, ArtifactStore(root))


def _generate(config: EvaluationPlan, inputs: Inputs, work: Work, name: str, rows: list[Row]) -> ShardRecord:
    meter = CostMeter()
    engine = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning)
    sampling = Sampling(config.max_tokens, config.temperature)
    completions = engine.generate(requests_of(rows, work.seed), sampling, work.progress)
    table = pa.Table.from_pylist([vars(completion) for completion in completions], schema=COMPLETIONS)
    return work.writer.write_table(name, table, cost=meter.stop(), made_with=describe_engine(config, inputs["model"]))
