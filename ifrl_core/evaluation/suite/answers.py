"""The stage `answers`: what a model answers to the rows of a benchmark, shard by shard, turn by turn.

An answer depends on the row, the turn, the sample and the run's random seed alone, so that two models draw alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import BenchmarkConfig, EvaluationConfig, GenerationConfig, PipelineConfig
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.suite.benchmark import Item
from ifrl_core.evaluation.suite.rows import asked_benchmarks, items_of, name_of
from ifrl_core.identity.fields import How
from ifrl_core.inference.engine import Completion, Engine, Request, Sampling, no_room, request_seed
from ifrl_core.inference.open import check_engine, describe_engine, forget_engine, open_engine
from ifrl_core.models.rendering import rendering
from ifrl_core.records import Message, Row
from ifrl_core.stages.provenance import device
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage
from ifrl_core.text.reasoning import Reasoning, answer_of, answer_start

ANSWERS = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int32()),
        ("turn", pa.int32()),
        ("text", pa.string()),
        ("answer_start", pa.int32()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
    ]
)


class AnswersConfig(GenerationConfig):
    """Who answers, and how it is asked."""

    max_tokens: int
    temperature: float
    top_p: float
    samples: int
    rendering: str = Field("", exclude_if=lambda digest: not digest)
    items_per_shard: How[int] = Field(128, ge=1)


def answers_config(label: str, config: BenchmarkConfig, section: EvaluationConfig) -> AnswersConfig:
    """How the models of a recipe are asked a benchmark: its own sampling, but for what the recipe says."""
    benchmark = benchmark_named(name_of(label))
    engine = {name: getattr(section, name) for name in GenerationConfig.model_fields}
    return AnswersConfig(
        **engine,
        max_tokens=config.max_tokens or benchmark.max_tokens,
        temperature=benchmark.temperature,
        top_p=benchmark.top_p,
        samples=config.samples if benchmark.temperature > 0 else 1,
        rendering=rendering() if benchmark.has_systems else "",
        items_per_shard=section.items_per_shard,
    )


def _of_base(recipe: PipelineConfig) -> dict[str, AnswersConfig]:
    return _configs(recipe, recipe.evaluation.sides()[0])


def _of_policy(recipe: PipelineConfig) -> dict[str, AnswersConfig]:
    return _configs(recipe, recipe.evaluation.sides()[1])


def _configs(recipe: PipelineConfig, section: EvaluationConfig) -> dict[str, AnswersConfig]:
    asked = asked_benchmarks(recipe)
    return {label: answers_config(label, config, section) for label, config in asked.items()}


def _check(recipe: PipelineConfig) -> None:
    here = recipe.execution.deployment_of(make_answers) is None
    for side in recipe.evaluation.sides() if asked_benchmarks(recipe) else ():
        check_engine(side, "evaluation", here=here)


def shard_count(config: AnswersConfig, inputs: Inputs, store: ArtifactStore) -> int:
    return math.ceil(count_items(inputs, store) / config.items_per_shard)


def make_answer_shard(config: AnswersConfig, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """Shard `index`: found if another run committed it, else answered and committed."""
    places = bounds(index, config.items_per_shard, count_items(inputs, work.store))
    name = shard_name("part", places)
    return work.writer.once(name, lambda: _answer_shard(config, inputs, work, name, places))


def bounds(index: int, size: int, total: int) -> tuple[int, int]:
    """The first place of a shard, and the one behind its last."""
    return index * size, min((index + 1) * size, total)


def shard_name(prefix: str, places: tuple[int, int]) -> str:
    """By the places that it holds: what a killed run left of another size is not taken for it."""
    return f"{prefix}-{places[0]:06d}-{places[1]:06d}.parquet"


SHARDS = Shards("answers-shard", shard_count, make_answer_shard)


@stage(
    "answers",
    version=1,
    inputs=("benchmark", "model"),
    each=_of_base,
    check=_check,
    reads_answers=True,
    placeable=True,
    shards=SHARDS,
)
def make_answers(config: AnswersConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: benchmark (rows), model. Gathers the shards, making those that are not there yet; columns: ANSWERS."""
    SHARDS.made(config, inputs, work, "shards of answers")
    forget_engine()
    rows = [row for name in work.writer.names() for row in work.writer.read_table(name).to_pylist()]
    return {
        "answers": len(rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "truncated": sum(row["finish_reason"] == "length" for row in rows),
        "no_room": sum(no_room(_completion(row)) for row in rows),
        "unclosed": sum(bool(row["text"].strip()) and row["answer_start"] == len(row["text"]) for row in rows),
        "engine": describe_engine(config, inputs["model"]),
    }


answers_before = replace(make_answers, label="answers-before", output="answers-before", title="Answers before")
answers_after = replace(
    make_answers, label="answers-after", output="answers-after", title="Answers after", each=_of_policy
)


def asked_answers(
    engine: Engine, items: Sequence[Item], config: AnswersConfig, *, seed: int, reasoning: Reasoning, work: Work
) -> list[Row]:
    """Rows of ANSWERS: every item `samples` times, turn by turn, its own answers (without reasoning) in the history."""
    sampling = Sampling(config.max_tokens, config.temperature, config.top_p)
    given: dict[tuple[int, int], list[str]] = {(i, s): [] for i in range(len(items)) for s in range(config.samples)}
    rows: list[Row] = []
    for turn in range(max(len(item.turns) for item in items)):
        open_ = [(i, s) for i, s in given if turn < len(items[i].turns)]
        requests = [
            Request(
                history(items[i], given[i, s]),
                request_seed(seed, items[i].id if not turn else f"{items[i].id}/{turn}", s),
            )
            for i, s in open_
        ]
        completions = engine.generate(requests, sampling, work.progress)
        for (i, s), completion in zip(open_, completions, strict=True):
            given[i, s].append(answer_of(completion.text, reasoning))
            rows.append(_row(items[i].id, s, turn, completion, reasoning))
    return rows


def history(item: Item, answers: Sequence[str]) -> list[Message]:
    """What is asked next: all turns so far with the answers given to them."""
    messages: list[Message] = []
    for turn, said in zip(item.turns, [*answers, None], strict=False):
        messages += turn
        if said is not None:
            messages.append({"role": "assistant", "content": said})
    return messages


def answers_of(ref: ArtifactRef, store: ArtifactStore, places: tuple[int, int]) -> dict[tuple[str, int], list[Row]]:
    """The answers to the items from place `places[0]` to before `places[1]`, by item and sample: a row a turn, in order.

    Those of other items in the same shards are among them.
    """
    found: dict[tuple[str, int], list[Row]] = {}
    for shard in store.manifest(ref).shards:
        first, end = (int(number) for number in shard.name.removesuffix(".parquet").split("-")[1:])
        if first < places[1] and places[0] < end:
            for row in store.read_table(ref, shard.name).to_pylist():
                found.setdefault((row["item_id"], row["sample"]), []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row["turn"])
    return found


def answer_in(row: Mapping[str, Any]) -> str:
    """The answer of a row of ANSWERS, without its reasoning."""
    return str(row["text"][row["answer_start"] :])


def count_items(inputs: Inputs, store: ArtifactStore) -> int:
    """How many rows the input `benchmark` holds."""
    items: int = store.manifest(inputs["benchmark"]).figures["items"]
    return items


def _answer_shard(config: AnswersConfig, inputs: Inputs, work: Work, name: str, places: tuple[int, int]) -> ShardRecord:
    meter = CostMeter()
    # A row that is longer than a server's context has no answer, as with the other engines, and does not end the rest.
    engine = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning, skip_too_long=True)
    items = items_of(inputs["benchmark"], work.store, *places)
    rows = asked_answers(engine, items, config, seed=work.seed, reasoning=work.reasoning, work=work)
    table = pa.Table.from_pylist(rows, schema=ANSWERS)
    made_with = {**describe_engine(config, inputs["model"]), **device()}
    return work.writer.write_table(name, table, cost=meter.stop(), made_with=made_with)


def _row(item_id: str, sample: int, turn: int, completion: Completion, reasoning: Reasoning) -> Row:
    return {
        "item_id": item_id,
        "sample": sample,
        "turn": turn,
        "text": completion.text,
        "answer_start": answer_start(completion.text, reasoning),
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }


def _completion(row: Row) -> Completion:
    return Completion(row["text"], row["finish_reason"], row["prompt_tokens"], row["completion_tokens"])
