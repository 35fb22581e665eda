"""Emotions by the words that people associate with them (the NRC lexicon, English).

Source: Mohammad and Turney, Crowdsourcing a Word-Emotion Association Lexicon (Computational Intelligence 29, 2013).
"""

from functools import cache
from typing import Any

from ifrl_core.instruments.instrument import Args, by_words, words

# Of the lexicon's eight, those that an emotion of the catalog is made of; what is not here has no near one among them.
MADE_OF = {
    "hope": ("anticipation", "joy"),
    "gratitude": ("joy", "trust"),
    "wonder": ("surprise", "anticipation"),
    "urgency": ("fear", "anticipation"),
    "pride": ("joy", "trust"),
    "relief": ("joy",),
    "excitement": ("joy", "surprise", "anticipation"),
    "quiet sadness": ("sadness",),
    "trust": ("trust",),
}
BASIC = ("fear", "anger", "anticipation", "trust", "surprise", "sadness", "disgust", "joy")
_EVEN = 0.02  # share of the words by which few of them say little


def emotion(response: str, args: Args) -> float | None:
    """Share of the words with one of its emotions, against those with others alone."""
    wanted = MADE_OF.get(args["emotion"])
    if wanted is None:
        return None
    found = words(response)
    felt = [set(_lexicon().get(word, ())) & set(BASIC) for word in found]
    own = sum(bool(of_word & set(wanted)) for of_word in felt) / max(1, len(found))
    other = sum(bool(of_word) and not of_word & set(wanted) for of_word in felt) / max(1, len(found))
    return (own + _EVEN / 2) / (own + other + _EVEN)


@cache
def _lexicon() -> Any:
    from nrclex import NRCLex

    return NRCLex().__lexicon__


EMOTIONS = by_words("emotions", {"tone:emotion": emotion}, "nrclex")
