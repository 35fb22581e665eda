"""How many of a text's tokens, as `nltk.word_tokenize` makes them, are in capitals."""

import re
from functools import lru_cache

from nltk.tokenize import NLTKWordTokenizer

from ifrl_core.verifiers.sentences import split_sentences

_TOKENIZER = NLTKWordTokenizer()
_LONG_CHUNK = 100  # characters; longer "words" are not worth remembering
_LONG_TEXT = 50_000  # characters; beyond, the exception below is not looked for, so that the cost stays bounded
_INNER_END = re.compile(r"[.?!][^\s\w]")
_SPLIT_IN_TWO = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))
_ALWAYS_APART = re.compile('[][(){}<>*;@#$%&?!"“”„«»]+')  # each of these is a token of its own wherever it stands


@lru_cache(maxsize=50_000)
def _capital_tokens(chunk: str) -> int:
    return sum(token.isupper() for token in _TOKENIZER.tokenize(chunk))


def _count(chunk: str) -> int:
    if chunk.isalpha() and (len(chunk) > 6 or chunk.lower() not in _SPLIT_IN_TWO):
        return int(chunk.isupper())
    if not any(map(str.isupper, chunk)):
        return 0
    if len(chunk) > _LONG_CHUNK:
        pieces = _ALWAYS_APART.split(chunk)
        if len(pieces) > 1:
            return sum(map(_count, pieces))
        return sum(token.isupper() for token in _TOKENIZER.tokenize(chunk))
    return _capital_tokens(chunk)


def count_capital_words(text: str) -> int:
    """Number of tokens of `nltk.word_tokenize(text)` that are upper case ("DON'T" is the two tokens DO and N'T).

    The tokenizer never joins what whitespace separates, and where a sentence ends moves only a period, which has no
    case; so each whitespace-separated chunk is tokenized alone, and only where it could hold a capital token. The one
    exception is a contraction before a sentence end inside a chunk ("**DON'T.**"), for which the text goes the long way.
    """
    chunks = [chunk for chunk in text.split() if not chunk.islower()]
    if len(text) <= _LONG_TEXT and any("'" in chunk and _INNER_END.search(chunk) for chunk in chunks):
        return sum(token.isupper() for sentence in split_sentences(text) for token in _TOKENIZER.tokenize(sentence))
    return sum(map(_count, chunks))
