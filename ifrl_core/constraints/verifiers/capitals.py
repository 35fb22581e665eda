"""How many of a text's tokens, as `nltk.word_tokenize` makes them, are in capitals."""

import re
from collections.abc import Callable
from functools import cache, lru_cache

from ifrl_core.constraints.verifiers.sentences import split_sentences

_LONG_CHUNK = 100  # characters; longer "words" are not worth remembering
_LONG_TEXT = 50_000  # characters; beyond, the exception below is not looked for, so that the cost stays bounded
_INNER_END = re.compile(r"[.?!][^\s\w]")
_SPLIT_IN_TWO = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))
_ALWAYS_APART = re.compile('[][(){}<>*;@#$%&?!"“”„«»]+')  # each of these is a token of its own wherever it stands


@cache
def _tokenize() -> Callable[[str], list[str]]:
    from nltk.tokenize import NLTKWordTokenizer  # on first use, because nltk takes a second to import

    tokenize: Callable[[str], list[str]] = NLTKWordTokenizer().tokenize
    return tokenize


def _capital_tokens(text: str) -> int:
    return sum(token.isupper() for token in _tokenize()(text))


_remembered = lru_cache(maxsize=50_000)(_capital_tokens)


def _count(chunk: str) -> int:
    if chunk.isalpha() and (len(chunk) > 6 or chunk.lower() not in _SPLIT_IN_TWO):
        return int(chunk.isupper())
    if not any(map(str.isupper, chunk)):
        return 0
    if len(chunk) > _LONG_CHUNK:
        pieces = _ALWAYS_APART.split(chunk)
        if len(pieces) > 1:
            return sum(map(_count, pieces))
        return _capital_tokens(chunk)
    return _remembered(chunk)


def count_capital_words(text: str) -> int:
    """Number of tokens of `nltk.word_tokenize(text)` that are upper case ("DON'T" is the two tokens DO and N'T).

    The tokenizer never joins what whitespace separates, and where a sentence ends moves only a period, which has no
    case; so each whitespace-separated chunk is tokenized alone, and only where it could hold a capital token. The one
    exception is a contraction before a sentence end inside a chunk ("**DON'T.**"), for which the text goes the long way.
    """
    chunks = [chunk for chunk in text.split() if not chunk.islower()]
    if len(text) <= _LONG_TEXT and any("'" in chunk and _INNER_END.search(chunk) for chunk in chunks):
        return sum(map(_capital_tokens, split_sentences(text)))
    return sum(map(_count, chunks))
