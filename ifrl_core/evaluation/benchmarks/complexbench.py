"""ComplexBench: scoring questions that depend on each other, answered by rules on spans or by a judge.

Source: Wen et al., Benchmarking Complex Instruction-Following with Multiple Constraints Composition (arXiv 2407.03978).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ScoringQuestion:
    """A question of a row; `depends_on` names the points that have to hold for this one to count."""

    point: int
    depends_on: tuple[int, ...] = ()


def with_dependencies(answers: Mapping[int, bool], questions: Sequence[ScoringQuestion]) -> dict[int, bool]:
    """The answer that counts by point: false where one of its *direct* dependencies is answered false.

    A dependency that itself fails only because of its own does not count, as in the official aggregate.

    Raises:
        KeyError: when a question or a dependency has no answer.
    """
    return {
        question.point: answers[question.point] and all(answers[point] for point in question.depends_on)
        for question in questions
    }


def drfr(rows: Sequence[Mapping[int, bool]]) -> float:
    """Decomposed requirements following ratio: true answers among all, over the rows' `with_dependencies`.

    Raises:
        ValueError: when there is no question.
    """
    answers = [answer for row in rows for answer in row.values()]
    if not answers:
        raise ValueError("no scoring question was answered")
    return sum(answers) / len(answers)
