"""IFBench's `sentence:` checkers."""

import re
from itertools import pairwise

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.text import PUNCTUATION


def keyword(view: View, *, word: str, N: float) -> bool:
    """The N-th sentence holds the word, in any case."""
    if len(view.sentences) < N:
        return False
    return re.search(rf"\b{re.escape(word)}\b", view.sentences[int(N) - 1], re.IGNORECASE) is not None


def increment(view: View, *, small_n: float) -> bool:
    """Every sentence has exactly `small_n` words more than the one before; one sentence holds."""
    counts = [len(sentence.strip(PUNCTUATION + " ").split()) for sentence in view.sentences]
    return all(second - first == small_n for first, second in pairwise(counts))


def alliteration_increment(view: View) -> bool:
    """The number of words in alliterative runs grows from sentence to sentence."""
    counts = [-1, *map(_alliterative_words, view.sentences)]
    return all(first < second for first, second in pairwise(counts))


def _alliterative_words(sentence: str) -> int:
    words = [bare for word in sentence.lower().split() if (bare := word.lstrip(PUNCTUATION))]
    alike = [first[0] == second[0] for first, second in pairwise(words)]
    return sum(before or after for before, after in zip([False, *alike], [*alike, False], strict=True))
