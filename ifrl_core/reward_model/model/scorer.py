"""What whoever needs probabilities asks: a reward model in this process (model/score.py) or behind HTTP (serve/client.py)."""

from collections.abc import Sequence
from typing import Protocol

Pair = tuple[str, str]  # response, constraint text
Probabilities = list[float | None]  # one a pair, in their order; None where a pair could not be scored


class Scorer(Protocol):
    """A reward model, as rewards, evaluation, `ifrl score` and `ifrl serve` use it."""

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """P(satisfied) in [0, 1] of each pair."""
        ...
