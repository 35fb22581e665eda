"""Words and marks that a soft type calls for: person, hedges, questions, similes, the senses, turns of argument. English.

Each is a count that a fitting answer can hardly do without, and that proves nothing by itself.
"""

import math
import re

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.instruments.instrument import Args, by_words, growing, rate
from ifrl_core.instruments.lexicons import BOOSTERS, HEDGES, SENSES, I

SURE = frozenset({"with full confidence", "as a firm recommendation"})
_SIMILE = re.compile(r"\b(?:like (?:a|an|the|some)\b|as \w+ as\b|as if\b|as though\b)", re.IGNORECASE)
_OBJECTION = re.compile(
    r"\b(?:although|however|admittedly|critics?|counterargument|drawbacks?|objections?|oppos\w+|on the other hand|risks?|"
    r"skeptics?|some (?:people )?(?:may|might|would|will)? ?(?:argue|say|claim|think|worry)|that said|downsides?|doubts?|"
    r"even so|nevertheless|but)\b",
    re.IGNORECASE,
)
_MISTAKE = re.compile(
    r"\b(?:actually|contrary to|in fact|misconceptions?|misunderst\w+|mistaken\w*|mistakes?|misus\w+|myths?|not true|"
    r"(?:people|beginners) (?:often|believe|think|assume)|traps?|wrongly|confus\w+)\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"(?:^|[.!?:]\s+|\n)\W*(?:try|start|begin|keep|make sure|avoid|remember|take|set|write|check|use|ask|put|pick|never|"
    r"always|don't|do not|plan|choose|look|focus|give|spend)\b|\b(?:you (?:can|should|could|need to|might)|rule of thumb|"
    r"tip|be careful|beware)\b",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"\b(?:let's|let us|join|start|try|take|act|today|now|go|begin|don't wait|make|share|sign up)\b", re.IGNORECASE
)
_SUMMARY = re.compile(
    r"\b(?:in short|in summary|in conclusion|to sum up|overall|in brief|to summarize|all in all)\b", re.IGNORECASE
)
_PAST = re.compile(
    r"\b(?:once|when i|ago|years?|remember|grew up|childhood|as a (?:child|kid)|last (?:week|summer|year|night)|was|were|"
    r"had)\b",
    re.IGNORECASE,
)
_HISTORY = re.compile(
    r"\b(?:1[0-9]{3}|20[0-2][0-9]|century|ancient|king|queen|empire|war|emperor|centuries)\b", re.IGNORECASE
)


def speak_as(response: str, args: Args) -> float:
    """First person: a persona that speaks says I."""
    return growing(rate(response, I), 0.04)


def certainty(response: str, args: Args) -> float:
    """Words that make sure against words that hedge."""
    hedged, sure = rate(response, HEDGES) + 0.01, rate(response, BOOSTERS) + 0.01
    share = hedged / (hedged + sure)
    return 1 - share if args["certainty"] in SURE else share


def anecdote(response: str, args: Args) -> float | None:
    """Memories of one's own: first person, and times gone by; history: years, kings, wars."""
    if args["anecdote"] == "an episode from history":
        return _some(_HISTORY, response)
    if args["anecdote"] in ("a brief personal anecdote", "a memory from childhood"):
        return math.sqrt(growing(rate(response, I), 0.04) * _some(_PAST, response))
    return None


def closing(response: str, args: Args) -> float | None:
    """The last sentence: a question, a call, a summary."""
    last = (split_sentences(response) or [""])[-1]
    if args["closing"] == "an open question to think about":
        return float(last.rstrip("\"'”’)* ").endswith("?"))
    wanted = {"a call to action": _CALL, "a short summary": _SUMMARY}.get(args["closing"])
    return _some(wanted, last) if wanted else None


def figure(response: str, args: Args) -> float | None:
    return _some(_SIMILE, response) if args["figure"] == "a fitting simile" else None


def senses(response: str, args: Args) -> float:
    """Words of the sense, against those of the other ones."""
    own = rate(response, SENSES[args["sense"]])
    other = rate(response, frozenset().union(*SENSES.values()) - SENSES[args["sense"]])
    return (own + 0.005) / (own + other + 0.02)


def objection(response: str, args: Args) -> float:
    return _some(_OBJECTION, response)


def misunderstanding(response: str, args: Args) -> float:
    return _some(_MISTAKE, response)


def advice(response: str, args: Args) -> float:
    return _some(_ADVICE, response)


def _some(pattern: re.Pattern[str], text: str) -> float:
    """How often the pattern occurs, as [0, 1): once is a half."""
    return growing(len(pattern.findall(text)), 1.0)


GRAMMAR = by_words(
    "grammar",
    {
        "persona:speak_as": speak_as,
        "tone:certainty": certainty,
        "content:anecdote": anecdote,
        "content:objection": objection,
        "content:misunderstanding": misunderstanding,
        "content:advice": advice,
        "structure:closing": closing,
        "rhetoric:figure": figure,
        "rhetoric:senses": senses,
    },
)
