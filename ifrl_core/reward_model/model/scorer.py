"""What whoever needs probabilities asks: a reward model in this process (model/score.py) or behind HTTP (serve/client.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ifrl_core.text.reasoning import Reasoning, answer_of

Pair = tuple[str, str]  # response, constraint text
Probabilities = list[float | None]  # one a pair, in their order; None where a pair could not be scored


class Scorer(Protocol):
    """A reward model, as rewards, evaluation, `ifrl score` and `ifrl serve` use it."""

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """P(satisfied) in [0, 1] of each pair."""
        ...


@dataclass(frozen=True)
class OfAnswers:
    """`scorer`, asked about the answers of responses: without their reasoning. Where only that is left of a response there is
    no answer, which satisfies nothing, as in rewards."""

    scorer: Scorer
    reasoning: Reasoning

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """As `Scorer.probabilities`."""
        answers = [answer_of(response, self.reasoning) for response, _ in pairs]
        asked = [
            (place, (answer, constraint))
            for place, (answer, (response, constraint)) in enumerate(zip(answers, pairs, strict=True))
            if answer.strip() or not response.strip()
        ]
        probabilities: Probabilities = [0.0] * len(pairs)
        found = self.scorer.probabilities([pair for _, pair in asked])
        for (place, _), probability in zip(asked, found, strict=True):
            probabilities[place] = probability
        return probabilities
