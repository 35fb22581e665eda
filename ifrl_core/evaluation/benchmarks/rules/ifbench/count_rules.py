"""IFBench's `count:` checkers."""

import re

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.ifbench.lists import CONJUNCTIONS, PERSON_NAMES, PRONOUNS
from ifrl_core.evaluation.benchmarks.rules.text import PUNCTUATION, bare_words, tokens, without_punctuation

_NAME = re.compile(r"\b(?:" + "|".join(PERSON_NAMES) + r")\b")
_INTERROBANGS = ("?!", "!?", "‽")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def word_count_range(view: View, *, min_words: float, max_words: float) -> bool:
    return min_words <= view.word_count <= max_words


def unique_word_count(view: View, *, N: float) -> bool:
    """A token of punctuation alone is the empty word, which counts once."""
    return len({word.strip(PUNCTUATION) for word in view.lower.split()}) >= N


def numbers(view: View, *, N: float) -> bool:
    """Punctuation goes first: "3-4" is one number; digits inside words count."""
    return len(re.findall(r"\d+", without_punctuation(view.text))) == N


def conjunctions(view: View, *, small_n: float) -> bool:
    """Spellings are counted, not conjunctions: "and", "And" and "and," are three."""
    return len({word for word in view.text.split() if word.strip(PUNCTUATION).lower() in CONJUNCTIONS}) >= small_n


def person_names(view: View, *, N: float) -> bool:
    return len(set(_NAME.findall(view.text))) >= N


def pronouns(view: View, *, N: float) -> bool:
    return sum(token in PRONOUNS for token in tokens(view.lower)) >= N


def punctuation(view: View) -> bool:
    """An interrobang, and once it is taken out each of the six marks."""
    for mark in _INTERROBANGS:
        if mark in view.text:
            rest = view.text.replace(mark, "", 1)
            return all(other in rest for other in ".,!?;:")
    return False


def keywords_multiple(view: View, *, keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str) -> bool:
    """Substrings, inside other words too, in any case."""
    wanted = zip((keyword1, keyword2, keyword3, keyword4, keyword5), (1, 2, 3, 5, 7), strict=True)
    return all(view.lower.count(keyword.lower()) == times for keyword, times in wanted)


def words_japanese(view: View, *, N: float) -> bool:
    """Every N-th word, numbers and marks aside, holds a Japanese (or Chinese) character; fewer words than N hold."""
    words = bare_words(view.text)[int(N) - 1 :: int(N)]
    return all(not word or word.isdigit() or _JAPANESE.search(word) for word in words)
