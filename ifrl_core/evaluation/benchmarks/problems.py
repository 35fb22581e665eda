"""Problems with a known answer: BIG-Bench Extra Hard, AIME, and multiple choice as GPQA and MMLU-Pro write it.

Sources: Kazemi et al. (arXiv 2502.19187); AIME by math-verify; Rein et al. (arXiv 2311.12022): options in an order drawn from
the row's id; Wang et al. (arXiv 2406.01574). What could not be compared in time is unscored.
"""

import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks import bbeh
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    AnsweredRows,
    Benchmark,
    Grade,
    Item,
    Marks,
    Metric,
    Terms,
    VerdictColumn,
    asked,
    by_rules,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row
from ifrl_core.rewards.problems.verify import Grader, Kind
from ifrl_core.statistics.by_hash import rank_by_hash

_CHOICE = '{question}\n\n{options}\n\nThink it through, then end with a line "Answer: X", X being a letter.'
_OPTIONS = ("Correct Answer", *(f"Incorrect Answer {i}" for i in (1, 2, 3)))
_NUMBER = '{problem}\n\nThink it through, then end with a line "Answer: N", N being the number.'


OfRow = Callable[[str, int, Row], Item]


def _read(item: OfRow, *, inside: str = "") -> Callable[[str], list[Item]]:
    return lambda path: [item(path, number, row) for number, row in enumerate(documents(path, inside=inside), start=1)]


def _answered(item: OfRow, *needs: str) -> tuple[AnsweredRows, ...]:
    return (AnsweredRows(needs, (VerdictColumn("correct", "accuracy"),), item),)


def _bbeh(path: str, number: int, row: Row) -> Item:
    prompt = field(path, number, row, "input", str)
    return Item(str(number), asked(prompt), {"target": field(path, number, row, "target", str)}, str(number))


def _bbeh_task(path: str, number: int, row: Row) -> Item:
    """With its task: the name of the file, or of the folder that upstream's task.json lies in."""
    file = PurePosixPath(path)
    name = file.parent.name if file.stem == "task" else file.stem
    return replace(_bbeh(path, number, row), slices={"task": name.removeprefix("bbeh_")})


@contextmanager
def _grade_bbeh(terms: Terms) -> Iterator[Grade]:
    yield by_rules(lambda item, answer: {"accuracy": [float(bbeh.right(answer, item.row["target"]))]})


def _aime(path: str, number: int, row: Row) -> Item:
    problem = field(path, number, row, "problem", str)
    answer = str(field(path, number, row, "answer", (str, int)))
    key = str(row.get("id", number))
    return Item(key, asked(_NUMBER.format(problem=problem)), {"answer": answer}, key)


def _gpqa(path: str, number: int, row: Row) -> Item:
    key = str(row.get("Record ID", number))
    options = [str(field(path, number, row, name, str)).strip() for name in _OPTIONS]
    order = sorted(range(4), key=lambda place: rank_by_hash(f"{key}/{place}"))
    question = field(path, number, row, "Question", str)
    return _choice(key, question, [options[i] for i in order], order.index(0), row)


def _mmlu_pro(path: str, number: int, row: Row) -> Item:
    options = [str(option) for option in field(path, number, row, "options", list)]
    letter = field(path, number, row, "answer", str).strip().upper()
    question = field(path, number, row, "question", str)
    letters = string.ascii_uppercase[: len(options)]
    if len(letter) != 1 or letter not in letters:
        raise InputError(f"{path} row {number}: field 'answer' is {letter!r}; expected a letter of {letters}")
    return _choice(str(row.get("question_id", number)), question, options, letters.index(letter), row)


def _choice(key: str, question: str, options: list[str], right: int, row: Row) -> Item:
    lettered = "\n".join(f"{letter}) {option}" for letter, option in zip(string.ascii_uppercase, options, strict=False))
    prompt = _CHOICE.format(question=question.strip(), options=lettered)
    subject = str(row.get("category") or row.get("Subdomain") or "")
    return Item(
        key, asked(prompt), {"answer": string.ascii_uppercase[right]}, key, {"subject": subject} if subject else {}
    )


def _grader(kind: Kind) -> Callable[[Terms], Iterator[Grade]]:
    def opened(terms: Terms) -> Iterator[Grade]:
        with Grader() as grader:

            def marks(item: Item, answer: str) -> Marks:
                correct = grader.correct(answer, kind, item.row["answer"])
                return {"accuracy": [None if correct is None else float(correct)]}

            yield by_rules(marks)

    return opened


BBEH = Benchmark(
    name="bbeh",
    title="BIG-Bench Extra Hard (mini)",
    metrics=(Metric("accuracy"),),
    read=_read(_bbeh, inside="examples"),
    grade=_grade_bbeh,
    source="google-deepmind/bbeh: bbeh/mini/data.json (460 rows)",
    licence="CC-BY-4.0; rows carry a canary string",
    max_tokens=8_192,
    anchors=(
        Anchor("Llama-3.1-8B", "accuracy", 0.115, "", "BBEH (arXiv 2502.19187)"),
        Anchor("guessing", "accuracy", 0.084, "", "BBEH (arXiv 2502.19187)"),
    ),
    odd=("option letters, numbers, quotes and brackets match leniently, as upstream",),
    answered=_answered(_bbeh, "input", "target"),
)
BBEH_FULL = replace(
    BBEH,
    name="bbeh-full",
    title="BIG-Bench Extra Hard (harmonic mean over its tasks)",
    metrics=(Metric("accuracy", over="task", harmonic=True),),
    read=_read(_bbeh_task, inside="examples"),
    source="google-deepmind/bbeh: the task.json of each task (4,520 rows), each under the name of its task",
    anchors=(
        Anchor("Llama-3.1-8B", "accuracy", 0.036, "", "BBEH (arXiv 2502.19187)"),
        Anchor("guessing", "accuracy", 0.024, "", "BBEH (arXiv 2502.19187)"),
    ),
    odd=(*BBEH.odd, "the mean is harmonic, over each task's per cent plus one: a task without a right answer gives 1"),
)
AIME = Benchmark(
    name="aime",
    title="AIME",
    metrics=(Metric("accuracy"),),
    read=_read(_aime),
    grade=contextmanager(_grader("math")),
    source="JSONL with id, problem and answer",
    licence="MIT for the collection",
    max_tokens=16_384,
    answered=_answered(_aime, "problem", "answer"),
)
GPQA = Benchmark(
    name="gpqa",
    title="Multiple choice as GPQA writes it",
    metrics=(Metric("accuracy"),),
    read=_read(_gpqa),
    grade=contextmanager(_grader("choice")),
    source="idavidrein/gpqa, as JSONL (its authors ask not to publish its rows)",
    licence="CC-BY-4.0",
    max_tokens=8_192,
    anchors=(
        Anchor("Qwen2.5-7B", "accuracy", 0.364, "", "Qwen2.5 report (arXiv 2412.15115)"),
        Anchor("Qwen2.5-1.5B", "accuracy", 0.298, "", "Qwen2.5 report (arXiv 2412.15115)"),
    ),
    odd=("options are asked in an order that a row's id fixes; published figures are of several orders",),
    answered=_answered(_gpqa, "Question", *_OPTIONS),
)
MMLU_PRO = Benchmark(
    name="mmlu-pro",
    title="Multiple choice as MMLU-Pro writes it",
    metrics=(Metric("accuracy"),),
    read=_read(_mmlu_pro),
    grade=contextmanager(_grader("choice")),
    source="TIGER-Lab/MMLU-Pro, as JSONL",
    licence="MIT",
    max_tokens=4_096,
    anchors=(
        Anchor("Qwen2.5-7B", "accuracy", 0.563, "", "Qwen2.5 report (arXiv 2412.15115)"),
        Anchor("Qwen2.5-1.5B", "accuracy", 0.324, "", "Qwen2.5 report (arXiv 2412.15115)"),
    ),
    odd=("asked without examples; published figures are mostly of five",),
    answered=_answered(_mmlu_pro, "question", "options", "answer"),
)
