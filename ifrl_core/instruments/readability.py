"""How easy a text is to read: Flesch's reading ease, by syllapy's syllables (textstat wants a corpus from the network).

Source: Flesch, A New Readability Yardstick (Journal of Applied Psychology 32, 1948).
"""

import math

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.instruments.instrument import Args, by_words, growing, words

EASY = frozenset(
    {
        "a ten-year-old child",
        "a beginner in the field",
        "a visitor from another country",
        "a teenager who is easily bored",
    }
)
HARD = frozenset({"an expert in the field", "a skeptical scientist", "a university student"})


def ease(text: str) -> float:
    """Reading ease in [0, 1]; 0 without words."""
    import syllapy

    found, sentences = words(text), split_sentences(text)
    if not found or not sentences:
        return 0.0
    syllables = sum(max(1, int(syllapy.count(word))) for word in found)
    flesch = 206.835 - 1.015 * len(found) / len(sentences) - 84.6 * syllables / len(found)
    return min(1.0, max(0.0, flesch / 100))


def reader(response: str, args: Args) -> float | None:
    value = args["audience"]
    return ease(response) if value in EASY else 1 - ease(response) if value in HARD else None


def economy(response: str, args: Args) -> float | None:
    """Terse: short sentences, few of them; rich: many words; simple: easy to read; technical: not."""
    value, length = args["economy"], len(words(response))
    if value == "terse and to the point":
        sentence = length / max(1, len(split_sentences(response)))
        return math.sqrt((1 - growing(sentence, 12)) * (1 - growing(length, 60))) if length else 0.0
    if value == "rich in detail":
        return growing(length, 80)
    return {"simple and clear": ease(response), "precise and technical": 1 - ease(response)}.get(value)


READABILITY = by_words("readability", {"audience:reader": reader, "style:economy": economy})
