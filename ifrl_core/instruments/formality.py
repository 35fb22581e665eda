"""Formal against casual language, by words that belong to one of the two, contractions, and the length of words.

After the adverbs, pronouns and interjections of Heylighen and Dewaele, Formality of Language (1999), without tagging.
"""

from ifrl_core.instruments.instrument import Args, by_words, rate, words
from ifrl_core.instruments.lexicons import LOOSE, STIFF

FORMAL = frozenset({"formal business English", "academic language", "polite and diplomatic language",
                    "the language of an official notice"})  # fmt: skip
CASUAL = frozenset({"casual everyday language", "friendly conversational language"})
_LONG = 8  # letters of a word of many syllables


def formality(response: str, args: Args) -> float | None:
    """Share of formal marks among all marks of either kind, or of casual ones."""
    value, found = args["formality"], words(response)
    if value not in FORMAL | CASUAL:
        return None
    long_words = sum(len(word) >= _LONG for word in found) / max(1, len(found))
    contractions = sum("'" in word for word in found) / max(1, len(found))
    stiff = rate(response, STIFF) + long_words / 2
    loose = rate(response, LOOSE) + contractions + response.count("!") / max(1, len(found))
    formal = (stiff + 0.02) / (stiff + loose + 0.04)
    return formal if value in FORMAL else 1 - formal


FORMALITY = by_words("formality", {"register:formality": formality})
