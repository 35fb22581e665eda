r"""What a word is: the one definition that rules, the task-drop measure, gates and trip-wires go by.

A combining mark or joiner belongs to the letter before it, so हिन्दी is one word; to Python's `re` it ends the word, hence
the package `regex`, as in nltk from 3.10 on.

    runs         IFEval's count, runs of `\w`: "don't" has two
    words        as a reader counts them: letters and digits, with inner apostrophes and hyphens
    whole word   a text that no letter or digit goes on from: C# in "I write C# at work"
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

import regex

_RUN = regex.compile(r"\w+")
_LETTERS = r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d]*+"
_WORD = regex.compile(rf"{_LETTERS}(?:['’-]{_LETTERS})*+")
_ASCII_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_ASCII_NON_WORD_TO_SPACE = "".join(chr(c) if chr(c).isalnum() or chr(c) == "_" else " " for c in range(128))
_APOSTROPHES = str.maketrans(dict.fromkeys("’ʼ＇", "'"))


def runs_of(text: str) -> list[str]:
    r"""The runs of `\w`."""
    found: list[str] = _RUN.findall(text)
    return found


def count_runs(text: str) -> int:
    r"""Number of runs of `\w`, as `nltk.tokenize.RegexpTokenizer(r"\w+")` finds them."""
    if text.isascii():
        return len(text.translate(_ASCII_NON_WORD_TO_SPACE).split())
    return len(runs_of(text))


def words_of(text: str) -> list[str]:
    """Words as a reader counts them: letters and digits, with inner apostrophes and hyphens."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def folded(text: str) -> str:
    """`text` in normal form C with straight apostrophes: two ways to write one word become the same."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_APOSTROPHES)


@lru_cache(maxsize=4096)
def whole_word(word: str) -> Any:
    r"""The pattern of a folded word, in any case, where no letter or digit stands right before or behind it.

    Of words that begin and end with letters this is `\b…\b`.
    """
    return regex.compile(rf"(?<![\w\p{{N}}]){regex.escape(word)}(?![\w\p{{N}}])", regex.IGNORECASE)


def is_word(text: str) -> bool:
    """Whether a text is one of `words_of`: C# and .NET are none."""
    return words_of(text) == [text]


def begins_with(text: str, word: str) -> bool:
    """Whether the first word of a text is `word`, in any case."""
    text, word = folded(text), folded(word)
    if is_word(word):
        first = (_ASCII_WORD if text.isascii() else _WORD).search(text)
        return first is not None and first.group().lower() == word.lower()
    found = whole_word(word).search(text)
    return found is not None and not words_of(text[: found.start()])


def ends_with(text: str, word: str) -> bool:
    """Whether the last word of a text is `word`, in any case."""
    text, word = folded(text), folded(word)
    if is_word(word):
        return [last.lower() for last in words_of(text)[-1:]] == [word.lower()]
    ends = [found.end() for found in whole_word(word).finditer(text)]
    return bool(ends) and not words_of(text[ends[-1] :])
