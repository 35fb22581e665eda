"""IFBench's `ratio:` checkers."""

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.ifbench.lists import STOP_WORDS
from ifrl_core.evaluation.benchmarks.rules.text import word_runs

_TOLERANCE = 2.0  # percentage points of ratio:overlap


def stop_words(view: View, *, percentage: float) -> bool:
    """Share of stop words among runs of word characters; a text without any fails."""
    words = word_runs(view.text)
    return bool(words) and sum(word.lower() in STOP_WORDS for word in words) / len(words) * 100 <= percentage


def overlap(view: View, *, reference_text: str, percentage: float) -> bool:
    """Of the response's trigrams of *characters*, the share that the reference has too."""
    own, reference = _trigrams(view.text), _trigrams(reference_text)
    return bool(own) and abs(len(own & reference) / len(own) * 100 - percentage) <= _TOLERANCE


def _trigrams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(len(text) - 2)}


def sentence_type(view: View) -> bool:
    """Sentences that end in a period are twice those that end in a question mark; none and none hold."""
    ends = [sentence[-1] for sentence in view.sentences]
    return ends.count(".") == 2 * ends.count("?")


def sentence_balance(view: View) -> bool:
    """As many sentences end in a period as in a question mark and in an exclamation mark."""
    ends = [sentence[-1] for sentence in view.sentences]
    return ends.count(".") == ends.count("?") == ends.count("!")


def sentence_words(view: View) -> bool:
    """Three sentences of equal length in characters."""
    return len(view.sentences) == 3 and len({len(sentence.strip()) for sentence in view.sentences}) == 1
