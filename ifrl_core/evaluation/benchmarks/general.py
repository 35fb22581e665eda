"""General problems with a known answer: whether ability outside instruction following stays.

A file's rows have prompt, answer and kind (math, choice or exact); in a run they are the held-out problems of
policy.general.sources. What could not be compared in time is unscored.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.benchmark import Benchmark, Grade, Item, Marks, Metric, Terms, asked, by_rules
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row
from ifrl_core.rewards.problems.verify import KINDS, Grader


def read(path: str) -> list[Item]:
    """Its rows; without an id of their own, by their place."""
    return [problem(path, number, row) for number, row in enumerate(documents(path), start=1)]


def problem(path: str, number: int, row: Row) -> Item:
    """A row as it is asked: the prompt says in which form the answer is wanted.

    Raises:
        InputError: naming row and field, when it is no problem.
    """
    kind, key = field(path, number, row, "kind", str), str(row.get("prompt_id", number))
    if kind not in KINDS:
        raise InputError(f"{path} row {number}: field 'kind' is {kind!r}; expected one of {', '.join(KINDS)}")
    content = {"kind": kind, "answer": str(field(path, number, row, "answer", (str, int, float)))}
    source = {"source": str(row["source"])} if "source" in row else {}
    return Item(key, asked(field(path, number, row, "prompt", str)), content, key, source)


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    with Grader() as grader:

        def marks(item: Item, answer: str) -> Marks:
            correct = grader.correct(answer, item.row["kind"], item.row["answer"])
            return {"accuracy": [None if correct is None else float(correct)]}

        yield by_rules(marks)


GENERAL = Benchmark(
    name="general",
    title="General problems",
    metrics=(Metric("accuracy"),),
    read=read,
    grade=grade,
    source="a file of your own, or the recipe's policy.general.sources",
    licence="your own; ifrl's built-in problems are generated",
    max_tokens=1_024,
)
