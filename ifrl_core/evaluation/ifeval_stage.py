"""IFEval: verifiable instructions, scored per prompt and per instruction, strictly and loosely.

Source: Zhou et al., Instruction-Following Evaluation for Large Language Models (arXiv 2311.07911). Rows are those of
its `input_data.jsonl`; the rules are ours (constraints/verifiers), held to the verdicts of the original in the tests.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.artifacts.files import filesystem
from ifrl_core.config import EvaluationConfig, StageConfig
from ifrl_core.constraints.given import GivenError, constraints_given
from ifrl_core.constraints.verdict import strict_and_loose
from ifrl_core.errors import InputError
from ifrl_core.evaluation.asked import Benchmark, Questions
from ifrl_core.evaluation.difference import difference
from ifrl_core.identity.fields import How
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.records import CONSTRAINT, Constraint, Row, constraint_of, constraint_row
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.text.lines import check_shape, lines_of
from ifrl_core.text.reasoning import Reasoning, answer_of

PROMPTS = pa.schema([("key", pa.int64()), ("prompt", pa.string()), ("constraints", pa.list_(CONSTRAINT))])
ANSWERS = pa.schema(
    [
        ("key", pa.int64()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("strict", pa.list_(pa.bool_())),
        ("loose", pa.list_(pa.bool_())),
    ]
)
METRICS = ("prompt_strict", "prompt_loose", "inst_strict", "inst_loose")
_FIELDS: dict[str, type] = {"key": int, "prompt": str, "instruction_id_list": list}


@dataclass(frozen=True)
class IFEvalRow:
    """One prompt and the verifiable instructions it contains; their wording is in the prompt, so `text` is empty."""

    key: int
    prompt: str
    constraints: tuple[Constraint, ...]


class IFEvalSource(StageConfig):
    """The fixed IFEval subset, by content."""

    path: How[str] = Field(exclude=True)
    digest: str
    prompts: int


def ifeval_source(config: EvaluationConfig) -> IFEvalSource | None:
    """Name IFEval's prompts by content; None when the config asks for none.

    Raises:
        InputError: when the file cannot be read.
    """
    path = config.ifeval_path
    if path is None:
        return None
    return IFEvalSource(path=path, digest=digest_of_source(path), prompts=config.ifeval_prompts)


@stage(
    "ifeval-prompts",
    version=1,
    title="IFEval",
    output="ifeval",
    inputs=(),
    config=lambda recipe: ifeval_source(recipe.evaluation),
    optional=True,
    seeded=False,
)
def import_ifeval(config: IFEvalSource, inputs: Inputs, work: Work) -> Figures:
    """Copy the chosen rows of IFEval's input file into the store, so that every run scores the same ones."""
    rows = subset(read_rows(config.path), config.prompts)
    work.writer.write_table("part-00000.parquet", prompts_table(rows))
    return {"prompts": len(rows), "instructions": sum(len(row.constraints) for row in rows)}


def prompts_table(rows: Sequence[IFEvalRow]) -> pa.Table:
    """The rows under PROMPTS."""
    columns = [
        {"key": row.key, "prompt": row.prompt, "constraints": [constraint_row(item) for item in row.constraints]}
        for row in rows
    ]
    return pa.Table.from_pylist(columns, schema=PROMPTS)


def questions(config: EvaluationConfig, inputs: Inputs, work: Work) -> Questions:
    """Every prompt of the subset, greedily; inputs: ifeval."""
    rows = list(work.store.rows(inputs["ifeval"]))
    requests = [Request([{"role": "user", "content": row["prompt"]}], work.seed) for row in rows]
    return Questions(rows, requests, Sampling(config.ifeval_max_tokens, temperature=0.0))


def answers(rows: Sequence[Row], completions: Sequence[Completion], inputs: Inputs, work: Work) -> list[Row]:
    """Rows of ANSWERS: `strict[i]` and `loose[i]` belong to instruction i. An empty answer follows nothing."""
    return [_answer(*of_answer, work.reasoning) for of_answer in zip(rows, completions, strict=True)]


def _answer(row: Row, completion: Completion, reasoning: Reasoning) -> Row:
    constraints = [constraint_of(item) for item in row["constraints"]]
    strict, loose = strict_and_loose(constraints, answer_of(completion.text, reasoning))
    return {
        "key": row["key"],
        "prompt": row["prompt"],
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "strict": strict,
        "loose": loose,
    }


def figures(rows: Sequence[Row]) -> Figures:
    """METRICS as shares in [0, 1]: prompts with all instructions followed, instructions followed."""
    marks = {metric: [mark for row in rows for mark in _marks(row, metric)] for metric in METRICS}
    return {"ifeval": {**{metric: fmean(of_metric) for metric, of_metric in marks.items()}, "prompts": len(rows)}}


def compared(before: Sequence[Row], after: Sequence[Row]) -> Figures:
    """The difference in each of METRICS, resampled by prompt."""
    return {"ifeval": {metric: _compare_metric(before, after, metric) for metric in METRICS}}


def _compare_metric(before: Sequence[Row], after: Sequence[Row], metric: str) -> Figures:
    return difference(
        [
            {"before": first, "after": second, "cluster": str(old["key"])}
            for old, new in zip(before, after, strict=True)
            for first, second in zip(_marks(old, metric), _marks(new, metric), strict=True)
        ]
    )


def _marks(row: Row, metric: str) -> list[bool]:
    """Prompt level: one mark, all followed; instruction level: one mark each (Zhou et al.)."""
    unit, rule = metric.split("_")
    marks: list[bool] = row[rule]
    return [all(marks)] if unit == "prompt" else marks


def read_rows(path: str) -> list[IFEvalRow]:
    """Read the benchmark's JSONL (local or any fsspec URL), one row as in `parse_row` a line.

    A benchmark is used whole or not at all, so one bad row is an error.

    Raises:
        InputError: when the file cannot be read, is empty, or a row is not as expected, naming line and field.
    """
    try:
        fs, inner = filesystem(path)
        stream = fs.open(inner, "rb")
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    rows: list[IFEvalRow] = []
    seen: dict[int, int] = {}
    with stream:
        for number, line, problem in lines_of(stream, path):
            if not line.strip():
                continue
            if problem:
                raise InputError(f"{path} line {number}: not valid JSON ({problem})")
            if not rows:
                check_shape(line, path, _FIELDS)
            row = parse_row(_document(line, f"{path} line {number}"), where=f"{path} line {number}")
            if row.key in seen:
                raise InputError(f"{path} line {number}: key {row.key} is also that of line {seen[row.key]}")
            seen[row.key] = number
            rows.append(row)
    if not rows:
        raise InputError(f"{path}: the file is empty; expected IFEval's input_data.jsonl")
    return rows


def parse_row(document: Any, *, where: str = "IFEval row") -> IFEvalRow:
    """A row from `{"key": int, "prompt": str, "instruction_id_list": [str], "kwargs": [{...}]}` (constraints/given.py).

    Arguments that are null in `kwargs` do not belong to their instruction and are dropped.

    Raises:
        InputError: when a field, an instruction's id or its arguments are not as expected, starting with `where`.
    """
    if not isinstance(document, dict):
        raise InputError(
            f"{where}: a JSON {type(document).__name__}; expected an object with {', '.join(_FIELDS)}, kwargs"
        )
    for name, kind in _FIELDS.items():
        value = document.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            given = type(value).__name__ if name in document else "missing"
            raise InputError(f"{where}: field {name!r} is {given}; expected {kind.__name__}")
    try:
        constraints, _ = constraints_given(document)
    except GivenError as error:
        raise InputError(f"{where}: {error}") from None
    return IFEvalRow(document["key"], document["prompt"], tuple(constraints))


def subset(rows: Sequence[IFEvalRow], n: int) -> list[IFEvalRow]:
    """The `n` rows of lowest sha256 of their key (all when fewer), in the order of `rows`.

    The choice depends on the keys alone, so that every run and machine asks the same prompts, and a larger subset
    holds the smaller one.
    """
    chosen = {row.key for row in sorted(rows, key=lambda row: rank_by_hash(row.key))[:n]}
    return [row for row in rows if row.key in chosen]


def _document(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error


IFEVAL = Benchmark("ifeval", "ifeval.parquet", ANSWERS, questions, answers, figures, compared)
