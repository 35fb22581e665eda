"""What an instrument is, and the little that those which read words share."""

import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ifrl_core.constraints.verifiers.words import folded, words_of

Args = Mapping[str, Any]
EXTRA = 'pip install "ifrl[instruments]"'


class Asked(NamedTuple):
    """A response, and the soft constraint that it is measured on."""

    type: str
    args: Args
    response: str


Scores = Callable[[Sequence[Asked]], list[float | None]]
Score = Callable[[str, Args], float | None]


@dataclass(frozen=True)
class Instrument:
    """`scores` says of each how far the response is what was asked, in [0, 1]; None where the arguments have no measure. The
    scale is the instrument's own: scores of one type compare, those of two types do not.

    `types`: the soft types that it measures; `missing`: what to install before it can, None when it is here; `measure`: the
    functions that it goes by, and `package`, whose model or lexicon it reads ("": none), for its identity.
    """

    name: str
    types: frozenset[str]
    scores: Scores
    missing: Callable[[], str | None]
    measure: tuple[Callable[..., Any], ...]
    package: str = ""


def by_words(name: str, of_type: Mapping[str, Score], package: str = "") -> Instrument:
    """One that reads a response by itself, with a score for each type. `package`: of the extra, where it needs one, whose
    module is called alike."""

    def scores(asked: Sequence[Asked]) -> list[float | None]:
        return [of_type[item.type](item.response, item.args) for item in asked]

    def missing() -> str | None:
        return EXTRA if package and importlib.util.find_spec(package) is None else None

    measure = tuple(of_type[type_] for type_ in sorted(of_type))
    return Instrument(name, frozenset(of_type), scores, missing, measure, package)


def words(text: str) -> list[str]:
    """Words in lower case, apostrophes alike."""
    return [folded(word) for word in words_of(text)]


def rate(text: str, wanted: Collection[str]) -> float:
    """Share of the words that are among `wanted`."""
    found = words(text)
    return sum(word in wanted for word in found) / len(found) if found else 0.0


def growing(amount: float, half: float) -> float:
    """An amount of 0 or more as [0, 1): one half at `half`."""
    return amount / (amount + half)
