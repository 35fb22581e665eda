"""Tones by sentiment: VADER's lexicon, sentence by sentence, since over a whole text its sum runs to an end.

Source: Hutto and Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text (ICWSM 2014).
"""

from functools import cache
from statistics import fmean
from typing import Any

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.instruments.instrument import Args, by_words

BRIGHT = frozenset({"warm", "optimistic", "playful", "enthusiastic", "encouraging"})
LEVEL = frozenset({"serious", "matter-of-fact", "calm"})
STRONG = frozenset({"dramatic"})


def tone(response: str, args: Args) -> float | None:
    """Bright tones: how positive; level ones: how far from any feeling; dramatic: how far from none."""
    value = args["tone"]
    compounds = [_vader().polarity_scores(sentence)["compound"] for sentence in split_sentences(response)] or [0.0]
    if value in BRIGHT:
        return (1 + fmean(compounds)) / 2
    feeling = fmean(abs(compound) for compound in compounds)
    return feeling if value in STRONG else 1 - feeling if value in LEVEL else None


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


SENTIMENT = by_words("sentiment", {"tone:tone": tone}, "vaderSentiment")
