"""Gates: factors in [0, 1] that multiply a reward, so that constraints cannot be met by an answer that is none.

An empty answer, or reasoning that never ended, is no answer at all: its parts are 0 before any gate (score.py).
"""

from ifrl_core.constraints.verifiers.scripts import count_words, unspaced, window

FEWEST_WORDS = 24  # below which repetition says nothing
LEAST_DISTINCT = 0.5  # share of distinct word trigrams


def is_degenerate(answer: str) -> bool:
    """Whether an answer goes round in circles: fewer than half of its word trigrams are distinct.

    Where words have no spaces between them, of its runs of about three words' letters.

    >>> is_degenerate("and so on " * 20)
    True
    """
    if letters := unspaced(answer):
        size = window(letters)
        runs = [letters[i : i + size] for i in range(len(letters) - size + 1)]
        return count_words(letters) >= FEWEST_WORDS and len(set(runs)) < LEAST_DISTINCT * len(runs)
    words = answer.lower().split()
    trigrams = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(words) >= FEWEST_WORDS and len(set(trigrams)) < LEAST_DISTINCT * len(trigrams)


def gate(
    answer: str,
    *,
    off_task: bool,
    cut_off: bool = False,
    degenerate_factor: float,
    intent_factor: float,
    cut_off_factor: float = 1.0,
) -> float:
    """What is left of the reward of an answer: the product of the factors of every gate that it does not pass.

    `off_task`: whether the answer leaves its task aside, which words (task_drop.py) or meaning (intent.py) can tell;
    `cut_off`: whether it ended by the token budget. A factor of 1 switches a gate off.
    """
    factor = 1.0
    if degenerate_factor < 1 and is_degenerate(answer):
        factor *= degenerate_factor
    if off_task:
        factor *= intent_factor
    if cut_off:
        factor *= cut_off_factor
    return factor
