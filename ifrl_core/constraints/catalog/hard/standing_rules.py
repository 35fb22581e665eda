"""Standing rules: what a system message or an earlier turn says that every answer has to keep, as plain rules on a text.

    Always end your answers with "Fair winds."     -> startend:end_checker {"end_phrase": "Fair winds."}
    From now on, use no more than 40 words.        -> length_constraints:number_words {"num_words": 41, ...}

Only sentences that say that they hold for more than one answer are read, in a few usual forms.
"""

import re
from collections.abc import Callable
from typing import Any

from ifrl_core.constraints.catalog.hard.ifeval_format_rules import RULES as FORMAT_RULES
from ifrl_core.constraints.catalog.hard.ifeval_words_rules import RULES as WORD_RULES
from ifrl_core.constraints.catalog.hard.patterns_rules import RULES as PATTERN_RULES
from ifrl_core.constraints.verifiers.view import View

RULES = {**FORMAT_RULES, **WORD_RULES, **PATTERN_RULES}
Standing = tuple[str, dict[str, Any]]  # the id of a plain rule and its arguments

_LASTING = re.compile(
    r"\b(?:always|never|every|each|from now on|at all times|in all|all (?:of )?your|for the rest)\b", re.I
)
_SENTENCE = re.compile(r'(?:(?<=[.!?])|(?<=[.!?]["”]))\s+(?=[A-Z"“])|\n+')
_QUOTED = r'["“]([^"”\n]{1,80})["”]'
# Before what a form says, these turn it round; bans have their "never" in the form itself. On either side, a case binds it.
_AND = re.compile(r"[,;]|\b(?:and|but)\b", re.I)  # behind it a case is of something else
_NOT = re.compile(r"\b(?:never|not|no|avoid|without)\b|n['’]t\b", re.I)
_CASE = re.compile(r"(?<!even )\b(?:if|when|whenever|unless|except)\b", re.I)
_BANS = ("keywords:forbidden_words", "punctuation:no_comma")
# Forms without a verb of their own may be about texts that the assistant is to work on, or people who wrote them.
_BARE = (
    *("punctuation:no_comma", "language:response_language", "change_case:english_lowercase"),
    *("length_constraints:number_words", "length_constraints:number_sentences"),
)
_ON_OTHERS = re.compile(
    r"\b(?:translate|correct|check|count|summari[sz]e|explain|rewrite|convert|edit|proofread|review|reject|detect|find|mark"
    r"|classify|sort|flag|ignore|help|quote|mention|turn|treat|accept|transcribe|compare|who|whose|which)\b",
    re.I,
)
_ANSWERING = re.compile(r"\b(?:answer|answers|repl(?:y|ies)|responds?|responses?)\b", re.I)
_THEIRS = re.compile(
    r"\b(?:texts?|messages?|letters?|questions?|e-?mails?|essays?|documents?|reviews?|words?|posts?|inputs?|requests?"
    r"|quer(?:y|ies)|sentences?)(?: (?:is|are|was|were|written))* (?:in|of)? ?$",
    re.I,
)
_LANGUAGES = {"english": "en", "german": "de", "spanish": "es", "french": "fr", "italian": "it", "portuguese": "pt"}


def _less(name: str) -> Callable[[str], dict[str, Any]]:
    return lambda number: {name: int(number) + 1, "relation": "less than"}


# The first form that a sentence has is what it says.
_FORMS: tuple[tuple[re.Pattern[str], str, Callable[[str], dict[str, Any]]], ...] = tuple(
    (re.compile(pattern, re.I), rule, args)
    for pattern, rule, args in (
        (
            rf"\b(?:end|finish|close|sign off)\b[^\"“]{{0,200}}{_QUOTED}",
            "startend:end_checker",
            lambda x: {"end_phrase": x},
        ),
        (rf"\b(?:begin|start|open)\b[^\"“]{{0,200}}{_QUOTED}", "startend:begin_phrase", lambda x: {"phrase": x}),
        (
            rf"\b(?:never|not|don't|avoid|without)\b[^\"“]{{0,200}}\bwords? {_QUOTED}",
            "keywords:forbidden_words",
            lambda x: {"forbidden_words": [x]},
        ),
        (
            rf"\b(?:use|include|mention|contain)\b[^\"“]{{0,200}}\bwords? {_QUOTED}",
            "keywords:existence",
            lambda x: {"keywords": [x]},
        ),
        (
            r"\b(?:at most|no more than|up to|within) (\d{1,4}) words\b",
            "length_constraints:number_words",
            _less("num_words"),
        ),
        (
            r"\b(?:at most|no more than|up to|within) (\d{1,3}) sentences\b",
            "length_constraints:number_sentences",
            _less("num_sentences"),
        ),
        (r"\b(?:no|without|never use|avoid) (?:any )?(commas)\b", "punctuation:no_comma", lambda x: {}),
        (r"\b(?:lower ?case|lowercase)( letters)?\b", "change_case:english_lowercase", lambda x: {}),
        (
            rf"\b(?:in|speak|use) ({'|'.join(_LANGUAGES)})\b",
            "language:response_language",
            lambda x: {"language": _LANGUAGES[x.lower()]},
        ),
    )
)


def standing_in(text: str) -> list[Standing]:
    """The rules that a text lays down for all answers, in order."""
    found = (_standing(sentence) for sentence in _SENTENCE.split(text) if _LASTING.search(sentence))
    return [rule for rule in found if rule is not None]


def _standing(sentence: str) -> Standing | None:
    for pattern, rule, args in _FORMS:
        if match := pattern.search(sentence):
            before, behind = sentence[: match.start()], _AND.split(sentence[match.end() :], maxsplit=1)[0]
            turned = rule not in _BANS and _NOT.search(before)
            bound = _CASE.search(before) or _CASE.search(behind)
            refused = turned or bound or (rule in _BARE and _is_on_others(before))
            return None if refused else (rule, args(match.group(1) or ""))
    return None


def _is_on_others(before: str) -> bool:
    """Whether what stands before a bare form makes it one of other texts than the answers."""
    others = [match.end() for match in _ON_OTHERS.finditer(before)]
    if _ANSWERING.search(before, others[-1] if others else 0):
        return False
    return bool(others or _THEIRS.search(before))


def holds(standing: Standing, view: View) -> bool:
    """Whether an answer keeps a rule."""
    rule, args = standing
    return RULES[rule].check(view, **args)
