"""MultiChallenge: conversations whose last answer has to mind what came before; a judge answers one question about it.

Source: Sirdeshmukh et al. (arXiv 2501.17399). Overall is the plain mean of the four axes. The judge sees the last answer and
the question alone; a row that it could not score belongs to no axis (officially such errors make a fifth one).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, YES_NO_SCHEMA, yes_or_no
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
)
from ifrl_core.evaluation.suite.conversation import conversation
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

AXES = ("INFERENCE_MEMORY", "INSTRUCTION_RETENTION", "SELF_COHERENCE", "RELIABLE_VERSION_EDITING")


def read(path: str) -> list[Item]:
    """Its conversations, each asked as it is."""
    return [_item(path, number, row) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row) -> Item:
    axis = field(path, number, row, "AXIS", str)
    if axis not in AXES:
        raise InputError(f"{path} row {number}: field 'AXIS' is {axis!r}; expected one of {', '.join(AXES)}")
    passes = str(row.get("PASS_CRITERIA", "YES")).strip().upper()
    if passes not in ("YES", "NO"):
        raise InputError(f"{path} row {number}: field 'PASS_CRITERIA' is {passes!r}; expected YES or NO")
    asked = conversation(row.get("CONVERSATION"), f"{path} row {number}: field 'CONVERSATION'")
    content = {
        "question": field(path, number, row, "TARGET_QUESTION", str),
        "passes": passes == "YES",
        "changed": list(asked.changed),
    }
    key = str(row.get("QUESTION_ID", number))
    return Item(key, (asked.messages,), content, key, {"axis": axis})


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    """One question a conversation."""
    yield _grade


def _grade(item: Item, answers: Sequence[str]) -> Grading:
    fields = {"answer": answers[-1], "question": item.row["question"]}
    (said,) = yield [Question("multichallenge", fields, yes_or_no, YES_NO_SCHEMA)]
    passed = None if said is None else said == item.row["passes"]
    notes = {NOT_READ: 1} if passed is None else {}
    verdict = {"asked": item.row["question"], "verdict": {True: "passed", False: "failed", None: NOT_READ}[passed]}
    return Graded({"overall": [None if passed is None else float(passed)]}, notes, [verdict])


MULTICHALLENGE = Benchmark(
    name="multichallenge",
    title="MultiChallenge",
    metrics=(Metric("overall", over="axis"),),
    read=read,
    grade=grade,
    source="ekwinox117/multi-challenge: data/benchmark_questions.jsonl, 273 conversations",
    licence="no licence file",
    has_systems=True,
    max_tokens=4_096,
    needs=frozenset({"judge"}),
    templates=("multichallenge",),
    anchors=(Anchor("o3", "overall", 0.565, "gpt-4o-2024-08-06", "ekwinox117/multi-challenge"),),
    odd=("upstream counts errors of the judge as a fifth axis (here they are unscored)",),
)
