"""Text in scripts that do not put spaces between words: how many words it makes, and its letters in a row.

Chinese and Japanese count a word for every two letters, Thai, Lao, Khmer and Burmese for every three; that is
about what segmenters give. Everything else goes by spaces. Text without such letters is counted as `str.split` does.
"""

import regex

from ifrl_core.constraints.verifiers.words import words_of

HAN_KANA = r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆"
SOUTH_EAST = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS_A_WORD = ((regex.compile(rf"[{HAN_KANA}]"), 2), (regex.compile(rf"(?=[{SOUTH_EAST}])\p{{L}}"), 3))
_UNSPACED = regex.compile(rf"[{HAN_KANA}{SOUTH_EAST}]+")
_SPACED_LETTER = regex.compile(rf"(?![{HAN_KANA}{SOUTH_EAST}])[\p{{L}}\p{{N}}]")


def count_words(text: str) -> float:
    """Words of a text in any script.

    >>> count_words("A river ends as sea."), count_words("河流流向大海。")
    (5, 3.0)
    """
    if text.isascii() or not _UNSPACED.search(text):
        return len(text.split())
    spaced = sum(_SPACED_LETTER.search(chunk) is not None for chunk in _UNSPACED.sub(" ", text).split())
    return spaced + sum(len(letter.findall(text)) / letters for letter, letters in _LETTERS_A_WORD)


def unspaced(text: str) -> str:
    """The letters of unspaced scripts in a row when they are most of a text's letters, else nothing."""
    if text.isascii():
        return ""
    letters = "".join(_UNSPACED.findall(text))
    return letters if len(letters) > len(_SPACED_LETTER.findall(text)) else ""


def word_set(text: str) -> set[str]:
    """The words of a text in lower case; of unspaced scripts every two letters in a row."""
    text = text.lower()
    if text.isascii():
        return set(words_of(text))
    pairs = {run[i : i + 2] for run in _UNSPACED.findall(text) for i in range(max(1, len(run) - 1))}
    return pairs | set(words_of(_UNSPACED.sub(" ", text)))


def with_spaces(text: str) -> str:
    """`text` with the letters of unspaced scripts apart."""
    return text if text.isascii() else _UNSPACED.sub(lambda run: f" {' '.join(run.group())} ", text)


def window(letters: str) -> int:
    """Letters of about three words in the script of unspaced `letters`."""
    return 3 * (4 if regex.match(rf"[{SOUTH_EAST}]", letters) else 2)
