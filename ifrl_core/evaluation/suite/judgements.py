"""The stage `judgements`: what answers to a benchmark are worth, by rules, by code and by a judge, shard by shard."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import EvaluationConfig, JudgeConfig, PipelineConfig, StageConfig
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.judge.ask import Judgement, Reply, check_read, judged
from ifrl_core.evaluation.judge.identity import check_judge, content_of, described, open_judge
from ifrl_core.evaluation.judge.reliability import reliability
from ifrl_core.evaluation.suite.answers import answer_in, answers_of, bounds, count_items, shard_name
from ifrl_core.evaluation.suite.benchmark import Benchmark, Graded, Grading, Terms, nobody, settled
from ifrl_core.evaluation.suite.rows import asked_benchmarks, items_of, name_of
from ifrl_core.evaluation.suite.score import GradedItem, figures
from ifrl_core.identity.code import digest_of_code
from ifrl_core.identity.fields import How
from ifrl_core.inference.open import forget_engine
from ifrl_core.models.looks.folder import look_at_writer
from ifrl_core.models.stage import ModelSource, import_model, model_source
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage

JUDGED = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int32()),
        ("marks", pa.string()),  # JSON: by metric, a list; null: unscored
        ("notes", pa.string()),  # JSON: by name, how many
        ("verdicts", pa.string()),  # JSON: lines for people
        ("parts", pa.string()),  # JSON: marks by slice and group, of groups finer than an item
        ("replies", pa.string()),  # JSON: what a judge replied, as it was
    ]
)
_DIGITS = 16


class JudgementsConfig(StageConfig):
    """How answers to a benchmark are graded; `judge`: who is asked where needed; None: what it would say is unscored."""

    benchmark: str
    official: bool
    run_code: bool
    items_per_shard: How[int] = Field(128, ge=1)
    judge: JudgeConfig | None = None

    @property
    def terms(self) -> Terms:
        return Terms(official=self.official, run_code=self.run_code)


def judgements_config(label: str, section: EvaluationConfig) -> JudgementsConfig:
    """How a recipe has answers to a benchmark graded; judge and code are off where its rows need none."""
    benchmark = benchmark_named(name_of(label))
    return JudgementsConfig(
        benchmark=benchmark.name,
        official=section.official,
        run_code=section.run_code and "code" in benchmark.needs,
        items_per_shard=section.items_per_shard,
        judge=section.judge if "judge" in benchmark.needs else None,
    )


def asks_judge(label: str, recipe: PipelineConfig) -> bool:
    """Whether grading this benchmark asks a judge whose weights are the run's to bring."""
    config = judgements_config(label, recipe.evaluation)
    return config.judge is not None and bool(config.judge.model)


def scorer_version(benchmark: Benchmark) -> str:
    """A digest of all code that grades it: part of every result."""
    return digest_of_code(benchmark.grade, *filter(None, [benchmark.of_cluster]))[:_DIGITS]


def _content(config: JudgementsConfig) -> dict[str, str]:
    benchmark = benchmark_named(config.benchmark)
    asked = content_of(config.judge, benchmark.templates) if config.judge is not None else {}
    return {"scorer": scorer_version(benchmark), **asked}


def _check(recipe: PipelineConfig) -> None:
    here = recipe.execution.deployment_of(make_judgements) is None
    for label in asked_benchmarks(recipe):
        if (judge := judgements_config(label, recipe.evaluation).judge) is not None:
            check_judge(judge, here=here)


def shard_count(config: JudgementsConfig, inputs: Inputs, store: ArtifactStore) -> int:
    return math.ceil(count_items(inputs, store) / config.items_per_shard)


def make_judgement_shard(config: JudgementsConfig, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """Shard `index`: found if another run committed it, else graded and committed."""
    places = bounds(index, config.items_per_shard, count_items(inputs, work.store))
    name = shard_name("part", places)
    return work.writer.once(name, lambda: _judge_shard(config, inputs, work, name, places))


def _judge_source(recipe: PipelineConfig) -> ModelSource | None:
    judge = recipe.evaluation.judge
    if judge is None or not any(asks_judge(label, recipe) for label in asked_benchmarks(recipe)):
        return None
    batched = judge.engine == "transformers"
    return model_source(judge.model, look=lambda folder: look_at_writer(folder, judge.model, batched=batched))


import_judge = replace(
    import_model,
    label="judge-model",
    output="judge",
    title="Judge",
    config=_judge_source,
    check=None,
    optional=True,
)


SHARDS = Shards("judgements-shard", shard_count, make_judgement_shard)


@stage(
    "judgements",
    version=1,
    inputs=("benchmark", "answers"),
    inputs_if_given=("judge",),
    each=lambda recipe: {label: judgements_config(label, recipe.evaluation) for label in asked_benchmarks(recipe)},
    content=_content,
    check=_check,
    placeable=True,
    shards=SHARDS,
)
def make_judgements(config: JudgementsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: benchmark (rows), answers; judge (a model) where one in reach is asked. Gathers the shards, making those that
    are not there yet; columns: JUDGED.

    Raises:
        UnscoredError: when too many replies of the judge could not be read.
    """
    SHARDS.made(config, inputs, work, "shards of judgements")
    benchmark = benchmark_named(config.benchmark)
    tables = [work.writer.read_table(name) for name in work.writer.names()]
    rows = graded_items(inputs["benchmark"], inputs["answers"], tables, work.store)
    found = {"benchmark": benchmark.name, "scorer": scorer_version(benchmark), **figures(benchmark, rows)}
    return found | (_judge_figures(config.judge, inputs, tables, work) if config.judge is not None else {})


judgements_before = replace(
    make_judgements, label="judgements-before", output="judgements-before", title="Judgements before"
)
judgements_after = replace(
    make_judgements, label="judgements-after", output="judgements-after", title="Judgements after"
)


def graded_items(
    benchmark: ArtifactRef, answers: ArtifactRef, tables: Sequence[pa.Table], store: ArtifactStore
) -> list[GradedItem]:
    """Tables of JUDGED with the items and answers that they are about, in the order of the items."""
    items = {item.id: item for item in items_of(benchmark, store)}
    given = answers_of(answers, store, (0, len(items)))
    return [
        GradedItem(
            items[row["item_id"]],
            given[row["item_id"], row["sample"]][-1]["text"],
            Graded(*(json.loads(row[name]) for name in ("marks", "notes", "verdicts", "parts"))),
        )
        for table in tables
        for row in table.to_pylist()
    ]


def judged_items(
    judgements: ArtifactRef, benchmark: ArtifactRef, answers: ArtifactRef, store: ArtifactStore
) -> list[GradedItem]:
    """The graded items of an artifact."""
    return graded_items(benchmark, answers, list(store.tables(judgements)), store)


def _judge_shard(
    config: JudgementsConfig, inputs: Inputs, work: Work, name: str, places: tuple[int, int]
) -> ShardRecord:
    meter = CostMeter()
    items = items_of(inputs["benchmark"], work.store, *places)
    given = answers_of(inputs["answers"], work.store, places)
    samples = sorted({sample for _, sample in given})
    asked = [(item, sample) for item in items for sample in samples]
    with benchmark_named(config.benchmark).grade(config.terms) as grade:
        gradings = [grade(item, [answer_in(row) for row in given[item.id, sample]]) for item, sample in asked]
        judgements = _settled(config.judge, gradings, inputs, work, name)
    rows = [
        {
            "item_id": item.id,
            "sample": sample,
            "marks": json.dumps({metric: list(values) for metric, values in judgement.graded.marks.items()}),
            "notes": json.dumps(dict(judgement.graded.notes)),
            "verdicts": json.dumps(list(judgement.graded.verdicts)),
            "parts": json.dumps({name: dict(groups) for name, groups in judgement.graded.parts.items()}),
            "replies": json.dumps([reply._asdict() for reply in judgement.replies]),
        }
        for (item, sample), judgement in zip(asked, judgements, strict=True)
    ]
    return work.writer.write_table(name, pa.Table.from_pylist(rows, schema=JUDGED), cost=meter.stop())


def _settled(
    judge: JudgeConfig | None, gradings: Sequence[Grading], inputs: Inputs, work: Work, name: str
) -> list[Judgement]:
    """All gradings to their ends; without a judge, what it would say is not known."""
    if judge is None:
        return [Judgement(settled(grading, nobody), ()) for grading in gradings]
    engine = open_judge(judge, inputs.get("judge"), work.store)
    return judged(gradings, engine, judge, work.scratch / f"{name}.jsonl", work.progress)


def _judge_figures(judge: JudgeConfig, inputs: Inputs, tables: Sequence[pa.Table], work: Work) -> Figures:
    """What the judge's word is worth, and who it is; its memory goes back."""
    replies = [
        Reply(**reply) for table in tables for text in table["replies"].to_pylist() for reply in json.loads(text)
    ]
    check_read(replies, judge)
    engine = open_judge(judge, inputs.get("judge"), work.store)
    answers = [answer_in(row) for row in work.store.rows(inputs["answers"])]
    measured = reliability(answers, engine, judge, work.scratch / "checks.jsonl", work.seed, work.progress)
    forget_engine()
    who = {f"judge's {name}": value for name, value in described(judge, inputs.get("judge")).items()}
    named = {"judge": judge.model or judge.served_model, **who}
    used = content_of(judge, sorted({reply.template for reply in replies}))
    return {"judge": measured, "replies": len(replies), "made_with": {**named, **used}}
