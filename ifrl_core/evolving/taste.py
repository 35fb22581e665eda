"""From pass rates to what is rather drawn: where some answers pass and some fail, a group of rollouts has a spread."""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.config import EvolvingConfig, InstructionsConfig
from ifrl_core.evolving.seen import Seen
from ifrl_core.instructions.writers import catalog
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.records import Constraint

FLOOR = 0.1  # of what teaches nothing, beside 1 of what teaches most: so that rates of a better model are seen again


def worth(rate: float, band: EvolvingConfig) -> float:
    """What a pass rate p teaches, in [FLOOR, 1]: by 4p(1 - p) inside the band.

    >>> worth(0.5, EvolvingConfig()), worth(0.95, EvolvingConfig())
    (1.0, 0.1)
    """
    learnability = 4 * rate * (1 - rate) if band.low <= rate <= band.high else 0.0
    return FLOOR + (1 - FLOOR) * learnability


class Learnable:
    """The taste (constraints/sampling.py) for what teaches. Soft types, whose rates no rule knows, all have the same weight.

    Where a type passes too often its narrower arguments, its company and a further constraint lie nearer the middle, and are
    drawn; where it fails too often the wider and fewer ones are.
    """

    def __init__(self, seen: Seen, band: EvolvingConfig) -> None:
        self._seen, self._band = seen, band

    def of_type(self, type_id: str, beside: Sequence[Constraint]) -> float:
        rates = [self._seen.beside(type_id, other.type) for other in beside]
        return worth(fmean(rates) if rates else self._seen.of_type(type_id), self._band)

    def of_args(self, type_id: str, args: Mapping[str, Any]) -> float:
        return worth(self._seen.of_args(type_id, args), self._band)

    def of_number(self, number: int) -> float:
        """Of a number of constraints."""
        return worth(self._seen.of_number(number), self._band)


def write(
    request: SeedRequest,
    config: InstructionsConfig,
    taste: Learnable,
    rng: random.Random,
    first: Sequence[Constraint] = (),
) -> list[Constraint]:
    """As many constraints for a seed as `taste` chooses between min_constraints and max_constraints, `first` among them."""
    numbers = range(config.min_constraints, config.max_constraints + 1)
    count = rng.choices(numbers, [taste.of_number(number) for number in numbers])[0]
    return catalog.sample(request, count, rng, config, taste=taste, first=first)
