"""How official checkers cut a text: words, tokens and sentences."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from string import punctuation
from typing import Any

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.words import runs_of

PUNCTUATION = punctuation  # the 32 marks of ASCII, which is all that IFBench's checkers take for punctuation
_NO_PUNCTUATION = str.maketrans("", "", punctuation)


def without_punctuation(text: str) -> str:
    """The text with every ASCII mark deleted, so that "3-4" is "34"."""
    return text.translate(_NO_PUNCTUATION)


def word_runs(text: str) -> list[str]:
    r"""Runs of `\w`, as the pinned nltk finds them: "don't" is two, हिन्दी one."""
    return runs_of(text)


def bare_words(text: str) -> list[str]:
    """What whitespace separates, each without punctuation around it; what has nothing else becomes ""."""
    return [word.strip(PUNCTUATION) for word in text.split()]


@cache
def _tokenizer() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer  # imported on first use: nltk takes a second

    return NLTKWordTokenizer()


def tokens(text: str) -> Iterator[str]:
    """The word tokens of `nltk.word_tokenize`, one after the other: "don't" is "do" and "n't", marks are tokens."""
    for sentence in split_sentences(text):
        yield from sentence_tokens(sentence)


def sentence_tokens(sentence: str) -> Iterator[str]:
    """The word tokens of one sentence, as nltk's NLTKWordTokenizer gives them.

    The tokenizer looks no further than a blank on either side of a word, except for the period that ends the sentence, so
    that words, which come again and again, are cut once each.
    """
    tail = _TAIL.search(sentence)
    start = tail.start() if tail else 0
    for match in _WORD_IN_CONTEXT.finditer(sentence, 0, start):
        if (plain := _PLAIN_WORD.fullmatch(match.group())) and plain[1].lower() not in _CONTRACTIONS:
            yield from filter(None, plain.groups())
            continue
        before = sentence[match.start() - 1] if match.start() else ""
        yield from _word_tokens(before, match.group(), sentence[match.end()])
    yield from _word_tokens(sentence[start - 1] if start else "", sentence[start:], "")


_WORD_IN_CONTEXT = re.compile(r"\S+")
_PLAIN_WORD = re.compile(r"([A-Za-z0-9]+)([,:;?!]?)")  # what the tokenizer need not be asked
_CONTRACTIONS = frozenset({"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"})  # it cuts in two
_TAIL = re.compile(r"\S+(?:\s+[\])}>\"'»”’]+)*$")  # the last word and what may close after it


@lru_cache(maxsize=100_000)
def _word_tokens(before: str, word: str, after: str) -> list[str]:
    found: list[str] = _tokenizer().tokenize(f"{before and 'x' + before}{word}{after and after + 'x'}")
    return found[bool(before) : len(found) - bool(after)]
