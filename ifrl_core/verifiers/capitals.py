"""How many of a text's tokens, as `nltk.word_tokenize` makes them, are in capitals."""

from functools import lru_cache

from nltk.tokenize import NLTKWordTokenizer

_TOKENIZER = NLTKWordTokenizer()
_LONG_CHUNK = 200  # characters; longer "words" are not worth remembering


def _capital_tokens(chunk: str) -> int:
    return sum(token.isupper() for token in _TOKENIZER.tokenize(chunk))


_remembered = lru_cache(maxsize=50_000)(_capital_tokens)


def count_capital_words(text: str) -> int:
    """Number of tokens of `nltk.word_tokenize(text)` that are upper case ("DON'T" is the two tokens DO and N'T).

    The tokenizer never joins what whitespace separates, and where a sentence ends moves only a period, which has no
    case; so each whitespace-separated chunk is tokenized alone, and only where it could hold a capital token.
    """
    count = 0
    for chunk in text.split():
        if chunk.islower() or (chunk[1:].islower() and chunk.isalpha()):
            continue
        count += _remembered(chunk) if len(chunk) <= _LONG_CHUNK else _capital_tokens(chunk)
    return count
