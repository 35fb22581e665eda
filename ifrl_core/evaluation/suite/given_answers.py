"""The stage `given-answers`: answers to the rows of a benchmark that a file holds, in the place of a model's."""

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.evaluation.suite.answers import ANSWERS
from ifrl_core.evaluation.suite.rows import items_of
from ifrl_core.evaluation.suite.score import responses_of
from ifrl_core.identity.fields import How
from ifrl_core.models.reasoning import settled
from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.text.reasoning import Reasoning, answer_start

PREFIX = "answers:"


class GivenAnswers(StageConfig):
    """A file of answers by content, and how its responses set reasoning apart."""

    digest: str
    reasoning: Reasoning
    path: How[str] = Field(exclude=True)


def given_path(uri: str) -> str:
    """PATH of `answers:PATH`; empty for what names a model."""
    return uri.removeprefix(PREFIX) if uri.startswith(PREFIX) else ""


def answers_source(uri: str, recipe: PipelineConfig) -> GivenAnswers:
    """Name the file by content.

    Raises:
        InputError: when it cannot be read.
    """
    path = given_path(uri)
    reasoning = settled(recipe.reasoning, lambda name: None, uri)
    return GivenAnswers(digest=digest_of_source(path), reasoning=reasoning, path=path)


@stage("given-answers", version=1, inputs=("benchmark",), each=lambda recipe: {}, seeded=False)
def take_answers(config: GivenAnswers, inputs: Inputs, work: Work) -> Figures:
    """inputs: benchmark (rows). Copies the answers to them into the store; columns: ANSWERS.

    Raises:
        InputError: for a row without an answer, or an answer to none.
    """
    items = items_of(inputs["benchmark"], work.store)
    partial = work.store.manifest(inputs["benchmark"]).config["limit"] is not None
    given = zip(items, responses_of(config.path, items, partial=partial), strict=True)
    rows = [answer_row(item.id, turn, text, config.reasoning) for item, of in given for turn, text in enumerate(of)]
    work.writer.write_table(f"part-000000-{len(items):06d}.parquet", pa.Table.from_pylist(rows, schema=ANSWERS))
    unclosed = sum(bool(row["text"].strip()) and row["answer_start"] == len(row["text"]) for row in rows)
    return {"answers": len(rows), "unclosed": unclosed}


def answer_row(item_id: str, turn: int, text: str, reasoning: Reasoning) -> Row:
    """A row of ANSWERS, without what only an engine counts."""
    start = answer_start(text, reasoning)
    return {"item_id": item_id, "sample": 0, "turn": turn, "text": text, "answer_start": start, "finish_reason": "stop"}
