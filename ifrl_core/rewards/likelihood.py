"""Soft constraints scored by the model that training starts from: how much likelier it finds an answer when asked for what
was asked than for something else of the same type (another setting, another reader), or for nothing where a type has none.

The log of the odds that an answer was written for the one rather than the other, both as likely before, is the sum of what
its tokens add (inference/likelihood.py). Long answers would all score 0 or 1, so the sum is divided by the square root of
their number, by which it would grow if tokens were independent. benchmarks/soft.md holds this against instruments.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.verifiers.arguments import Choice
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.places import Layout
from ifrl_core.records import Constraint, Conversation, Instruction, Message
from ifrl_core.rewards.score import Answered

if TYPE_CHECKING:  # torch is loaded where a model is
    from ifrl_core.inference.likelihood import Asked

OTHERS = 2  # values that are asked for in place of the constraint's own


class LikelihoodScorer:
    """The model in `folder`, which stays as it is; `layout`: how prompts put a constraint."""

    def __init__(self, folder: Path, layout: Layout = "sentences") -> None:
        from ifrl_core.inference.likelihood import Likelihood

        self._model, self._layout = Likelihood(folder), layout

    def scores(self, answered: Sequence[Answered]) -> list[float | None]:
        """One score in [0, 1] each, in their order; None of an empty answer. Every constraint is asked for alone."""
        asked = [list(self._asked(one)) for one in answered]
        contrasts = iter(self._model.of_tokens([item for of_one in asked for item in of_one]))
        found = [[next(contrasts) for _ in of_one] for of_one in asked]
        return [score_of([part.tolist() for part in of_one if part is not None]) for of_one in found]

    def _asked(self, answered: Answered) -> Iterator["Asked"]:
        from ifrl_core.inference.likelihood import Asked

        without, including = self._prompts(answered.asked, answered.constraint)
        others = [self._prompts(answered.asked, other)[1] for other in of_other_values(answered.constraint)]
        for instead in others or [without]:
            yield Asked(instead, including, answered.answer)

    def _prompts(self, asked: Conversation, constraint: Constraint) -> list[list[Message]]:
        return rungs(Instruction("", asked.request, (constraint,), "", asked.messages), layout=self._layout)


def of_other_values(constraint: Constraint) -> list[Constraint]:
    """The constraint in the same words with the next values of its arguments; none where the catalog knows no others or the
    text does not name its own."""
    known = CATALOG.get(constraint.type)
    arguments = known.arguments.items() if known else ()
    lists = {name: argument.values for name, argument in arguments if isinstance(argument, Choice)}
    named = {
        name: own for name, own in constraint.args.items() if own in lists.get(name, ()) and own in constraint.text
    }
    most = min((len(lists[name]) for name in named), default=1) - 1
    found = []
    for step in range(1, min(OTHERS, most) + 1):
        text, args = constraint.text, dict(constraint.args)
        for name, own in named.items():
            args[name] = lists[name][(lists[name].index(own) + step) % len(lists[name])]
            text = text.replace(own, args[name])
        found.append(Constraint(constraint.type, constraint.kind, text, args))
    return found


def score_of(contrasts: Sequence[Sequence[float]]) -> float | None:
    """Of an answer's contrasts with each alternative, in nats by token, one in [0, 1]: a half where they tell nothing."""
    if not contrasts:
        return None
    above = fmean(sum(contrast) / len(contrast) ** 0.5 for contrast in contrasts)
    return 1 / (1 + math.exp(-above)) if above > 0 else math.exp(above) / (1 + math.exp(above))
