"""WritingBench: writing graded from 1 to 10 on criteria of its own, each by a question to a judge.

Source: Wu et al., WritingBench (arXiv 2503.05244). The file of all rows gives `score`; a file of a requirement's subset
(style, format or length) holds only the criteria that are about it, and gives the figure of that name. The leaderboard shows
ten times the score.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, score, score_schema
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Metric,
    Question,
    Terms,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

REQUIREMENTS = ("style", "format", "length")
_LOW, _HIGH = 1, 10
_LEVELS = ("1-2", "3-4", "5-6", "7-8", "9-10")


def read(path: str) -> list[Item]:
    """Its rows; those of a file NAME_subset_C as upstream names it are of that requirement."""
    requirement = PurePosixPath(path).name.partition("_subset_C")[0]
    metric = requirement if requirement in REQUIREMENTS else "score"
    return [_item(path, number, row, metric) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row, metric: str) -> Item:
    query = field(path, number, row, "query", str)
    key = str(field(path, number, row, "index", (int, str)))
    criteria = field(path, number, row, "checklist", list)
    if not criteria:
        raise InputError(f"{path} row {number}: field 'checklist' is empty; expected one criterion at least")
    content = {"metric": metric, "criteria": [_criterion(path, number, criterion) for criterion in criteria]}
    groups = {"domain": row.get("domain1"), "lang": row.get("lang")}
    return Item(key, asked(query), content, key, {name: str(group) for name, group in groups.items() if group})


def _criterion(path: str, number: int, criterion: object) -> Row:
    if not isinstance(criterion, dict):
        raise InputError(f"{path} row {number}: a criterion is {type(criterion).__name__}; expected an object")
    texts = [field(path, number, criterion, name, str) for name in ("name", "criteria_description", *_LEVELS)]
    levels = [f"{level}: {text}" for level, text in zip(_LEVELS, texts[2:], strict=True)]
    return {"name": texts[0], "text": "\n".join([f"{texts[0]}: {texts[1]}", *levels])}


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    yield _graded


def _graded(item: Item, answers: Sequence[str]) -> Grading:
    criteria, read_score = item.row["criteria"], partial(score, low=_LOW, high=_HIGH)
    scores = yield [
        Question(
            "writingbench",
            {"query": item.prompt, "response": answers[-1], "criterion": criterion["text"]},
            read_score,
            score_schema(_LOW, _HIGH),
        )
        for criterion in criteria
    ]
    marks = [None if given is None else float(given) for given in scores]
    unread = marks.count(None)
    return Graded(
        {item.row["metric"]: marks},
        notes={NOT_READ: unread} if unread else {},
        verdicts=[{"asked": c["name"], "verdict": mark} for c, mark in zip(criteria, marks, strict=True)],
    )


WRITINGBENCH = Benchmark(
    name="writingbench",
    title="WritingBench",
    metrics=tuple(Metric(name, unit="score") for name in ("score", *REQUIREMENTS)),
    read=read,
    grade=grade,
    source="X-PLUG/WritingBench: benchmark_query/benchmark_all.jsonl (1,000 rows, 445 of them Chinese); "
    "requirement/NAME/NAME_subset_C.jsonl",
    licence="Apache-2.0",
    max_tokens=16_000,
    temperature=0.7,
    top_p=0.8,
    needs=frozenset({"judge"}),
    templates=("writingbench",),
    anchors=(
        Anchor("Qwen2.5-7B", "score", 7.43, "the official one of March 2025", "WritingBench"),
        Anchor("Qwen2.5-7B", "score", 5.60, "the official one of November 2026", "WritingBench's leaderboard"),
        Anchor("Qwen2.5-7B, trained", "score", 5.85, "not stated", "the method's paper (arXiv 2510.14420)"),
    ),
    odd=(
        "queries have 18 to 31,135 characters: the model's context has to hold the longest and 16,000 tokens of answer",
        "the official judge changed four times since March 2025, so that old figures do not compare",
        "officially top_k is 20 as well; here the whole of top_p is sampled",
        "a requirement's official R figure is the score over the rows of its subset, all five criteria: only its C figure is "
        "given, by the subset's own file",
    ),
)
