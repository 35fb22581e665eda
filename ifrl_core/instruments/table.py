"""All instruments: which measures a type, and what they say of answers."""

from collections.abc import Mapping, Sequence

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
    """The score of each in [0, 1] by the instrument of its type; None where none measures it, or it is not installed."""
    scores: list[float | None] = [None] * len(asked)
    for instrument in INSTRUMENTS:
        places = [place for place, item in enumerate(asked) if item.type in instrument.types]
        if places and instrument.missing() is None:
            found = instrument.scores([asked[place] for place in places])
            for place, score in zip(places, found, strict=True):
                scores[place] = score
    return scores


def missing() -> dict[str, str]:
    """How to get the instruments that are not installed, by name."""
    return {one.name: how for one in INSTRUMENTS if (how := one.missing()) is not None}


def in_use() -> dict[str, str]:
    """Digests of the instruments that are installed, by name: what makes their figures what they are."""
    return {
        f"instrument {one.name}": digest_of_code(*(part for part in one.measure if callable(part)))[:16]
        for one in INSTRUMENTS
        if one.missing() is None
    }
