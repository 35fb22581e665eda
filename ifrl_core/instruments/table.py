"""All instruments: which measures a type, and what they say of answers."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.errors import ConstraintError
from ifrl_core.identity.code import digest_of_code
from ifrl_core.instruments.emotions import EMOTIONS
from ifrl_core.instruments.formality import FORMALITY
from ifrl_core.instruments.grammar import GRAMMAR
from ifrl_core.instruments.instrument import Asked, Instrument
from ifrl_core.instruments.readability import READABILITY
from ifrl_core.instruments.sentiment import SENTIMENT
from ifrl_core.instruments.topics import TOPICS

INSTRUMENTS: tuple[Instrument, ...] = (SENTIMENT, EMOTIONS, READABILITY, FORMALITY, GRAMMAR, TOPICS)
BY_TYPE: Mapping[str, Instrument] = {type_: instrument for instrument in INSTRUMENTS for type_ in instrument.types}


def measured(asked: Sequence[Asked]) -> list[float | None]:
    """The score of each in [0, 1] by the instrument of its type; None where none measures it, it is not installed, or the
    arguments are not the catalog's (a writer's own words)."""
    scores: list[float | None] = [None] * len(asked)
    for instrument in INSTRUMENTS:
        places = [place for place, item in enumerate(asked) if item.type in instrument.types and _known(item)]
        if places and instrument.missing() is None:
            found = instrument.scores([asked[place] for place in places])
            for place, score in zip(places, found, strict=True):
                scores[place] = score
    return scores


def missing() -> dict[str, str]:
    """How to get the instruments that are not installed, by name."""
    return {one.name: how for one in INSTRUMENTS if (how := one.missing()) is not None}


def in_use() -> dict[str, str]:
    """Of the instruments that are installed, by name, what makes their figures what they are: code, and a package."""
    return {
        f"instrument {one.name}": " ".join([digest_of_code(*one.measure)[:16], *_version(one.package)])
        for one in INSTRUMENTS
        if one.missing() is None
    }


def _known(item: Asked) -> bool:
    try:
        CATALOG[item.type].checked(item.args)
    except ConstraintError:
        return False
    return True


def _version(package: str) -> list[str]:
    return [version(package)] if package else []
