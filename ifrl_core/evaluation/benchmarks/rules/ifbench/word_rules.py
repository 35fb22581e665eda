"""IFBench's `words:` checkers."""

from collections import Counter
from itertools import pairwise
from string import ascii_lowercase

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.text import PUNCTUATION, sentence_tokens, tokens, without_punctuation

_AROUND = PUNCTUATION + " "
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxyz")
_PRIMES = frozenset(n for n in range(2, 98) if all(n % divisor for divisor in range(2, n)))


def alphabet(view: View) -> bool:
    """Initials follow the alphabet, wrapping; the first one is free."""
    words = [word.lower() for word in without_punctuation(view.text).split()]
    if not words or words[0][0] not in ascii_lowercase:
        return False
    start = ascii_lowercase.index(words[0][0])
    return all(word[0] == ascii_lowercase[(start + i) % 26] for i, word in enumerate(words))


def vowel(view: View) -> bool:
    """One line with at most three distinct vowels; letters with accents are none."""
    return "\n" not in view.stripped and len(set("aeiou") & set(view.lower)) <= 3


def consonants(view: View) -> bool:
    """Every word has two consonants together; y is one."""
    return all(_has_cluster(word) for word in view.lower.split())


def _has_cluster(word: str) -> bool:
    return any(first in _CONSONANTS and second in _CONSONANTS for first, second in pairwise(word))


def palindrome(view: View) -> bool:
    """Ten palindromic words of five letters or more; the same word ten times is ten."""
    words = without_punctuation(view.lower).split()
    return sum(len(word) >= 5 and word == word[::-1] for word in words) >= 10


def prime_lengths(view: View) -> bool:
    """A dash between blanks is a word of one letter."""
    return all(len(word) in _PRIMES for word in without_punctuation(view.text).split())


def repeats(view: View, *, small_n: float) -> bool:
    return max(Counter(without_punctuation(view.lower).split()).values(), default=0) <= small_n


def odd_even_syllables(view: View) -> bool:
    """Words of odd and even numbers of syllables alternate; a number has none."""
    from syllapy import count

    parities = [count(word) % 2 for word in without_punctuation(view.lower).split()]
    return all(first != second for first, second in pairwise(parities))


def last_first(view: View) -> bool:
    """The last word of a sentence is the first of the next."""
    words = [sentence.lower().rstrip(_AROUND).split() for sentence in view.sentences]
    return all(
        first and second and first[-1].lstrip(PUNCTUATION) == second[0].rstrip(PUNCTUATION)
        for first, second in pairwise(words)
    )


def paragraph_last_first(view: View) -> bool:
    """Every line ends with the word it begins with; punctuation inside the line stays on its words."""
    lines = (line.lower().strip(_AROUND).split() for line in map(str.strip, view.text.split("\n")) if line)
    return all(words[0] == words[-1] for words in lines if words)


def no_consecutive(view: View) -> bool:
    """No two words after each other begin with the same character."""
    words = without_punctuation(view.lower).split()
    return all(first[0] != second[0] for first, second in pairwise(words))


def words_position(view: View, *, keyword: str) -> bool:
    """The second word and the second to last are the keyword. One mark at the end is no word."""
    words = list(tokens(view.lower))
    if words and words[-1] in PUNCTUATION:
        words = words[:-1]
    return len(words) >= 2 and words[1] == words[-2] == keyword.lower()


def keywords_specific_position(view: View, *, keyword: str, n: float, m: float) -> bool:
    """The m-th word of the n-th sentence is the keyword; a contraction is two words."""
    if len(view.sentences) < n:
        return False
    words = [word for word in sentence_tokens(view.sentences[int(n) - 1]) if any(map(str.isalnum, word))]
    return len(words) >= m and words[int(m) - 1].lower() == keyword.lower()
