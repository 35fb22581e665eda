"""Helpers to grade an item with replies that a test says."""

from collections.abc import Callable, Sequence
from typing import Any

from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.evaluation.suite.benchmark import Benchmark, Graded, Item, Question, Terms, settled

Reply = Callable[[Question], str | None]


def graded(
    benchmark: Benchmark,
    item: Item,
    answer: str | Sequence[str],
    reply: Reply,
    *,
    terms: Terms = Terms(),  # noqa: B008
) -> Graded:
    """What the answer (of turns: the answers) is worth when the judge replies so; its questions are rendered by their
    templates."""

    def read(questions: Sequence[Question]) -> list[Any]:
        assert all(templates().render(question.template, question.fields) for question in questions)
        texts = [(question, reply(question)) for question in questions]
        return [None if text is None else question.read(text) for question, text in texts]

    with benchmark.grade(terms) as grade:
        return settled(grade(item, [answer] if isinstance(answer, str) else answer), read)


def told(seen: list[Question], question: Question, reply: str) -> str:
    """The reply, after noting the question."""
    seen.append(question)
    return reply
