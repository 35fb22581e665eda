"""Rules on words: the first and last one, their length, letters, endings, order, and words to do without."""

from ifrl_core.constraints.verifiers.arguments import Choice, Integer, Text
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import begins_with, ends_with, folded, is_word, whole_word, words_of

LETTERS = Choice(tuple("abcdefghijklmnopqrstuvwxyz"))
FIRST_PERSON = frozenset("i me my mine myself we us our ours ourselves".split())  # noqa: SIM905
FILLERS = ("very", "really", "just", "quite", "actually", "basically", "literally", "simply")
_CONTRACTED = ("n't", "'re", "'ve", "'ll", "'m", "'d")
_WITH_IS = frozenset(
    f"{word}'s" for word in ("it", "that", "he", "she", "there", "here", "what", "who", "where", "how", "when", "let")
)


def first_word(view: View, word: str) -> bool:
    return begins_with(view.text, word)


def last_word(view: View, word: str) -> bool:
    return ends_with(view.text, word)


def max_length(view: View, max_letters: int) -> bool:
    """No word has more than so many characters."""
    return all(len(word) <= max_letters for word in view.words)


def long_words(view: View, count: int, min_letters: int) -> bool:
    """At least `count` words have `min_letters` characters or more."""
    return sum(len(word) >= min_letters for word in view.words) >= count


def starting_letter(view: View, letter: str, count: int) -> bool:
    """At least `count` words begin with the letter."""
    return sum(word.startswith(letter) for word in view.lower_words) >= count


def avoid_starting_letter(view: View, letter: str) -> bool:
    """No word begins with the letter."""
    return not any(word.startswith(letter) for word in view.lower_words)


def ending(view: View, suffix: str, count: int) -> bool:
    """At least `count` words end with the suffix."""
    return sum(word.endswith(suffix.lower()) for word in view.lower_words) >= count


def order(view: View, first: str, second: str) -> bool:
    """Both words occur, and the first one's first occurrence comes before the second one's."""
    first, second = folded(first).lower(), folded(second).lower()
    if is_word(first) and is_word(second):
        words = words_of(view.folded.lower())
        return first in words and second in words and words.index(first) < words.index(second)
    places = [whole_word(word).search(view.folded) for word in (first, second)]
    return all(places) and places[0].start() < places[1].start()


def hyphenated(view: View, count: int) -> bool:
    """At least `count` hyphenated words."""
    return sum("-" in word for word in view.words) >= count


def no_first_person(view: View) -> bool:
    """None of I, me, my, we, us, our and their forms, also not in "I'm" or "we'll"."""
    return not any(word.replace("’", "'").split("'")[0] in FIRST_PERSON for word in view.lower_words)


def no_contractions(view: View) -> bool:
    """No contraction such as "don't", "we're" or "it's"; a possessive ("the cat's tail") is none."""
    plain = [word.replace("’", "'") for word in view.lower_words if "'" in word or "’" in word]
    return not any(word.endswith(_CONTRACTED) or word in _WITH_IS for word in plain)


def no_filler_words(view: View) -> bool:
    return not any(word in FILLERS for word in view.lower_words)


RULES = {
    "words:first_word": Rule(first_word, {"word": Text("the first word", max_chars=40, one_word=True)}),
    "words:last_word": Rule(last_word, {"word": Text("the last word", max_chars=40, one_word=True)}),
    "words:max_length": Rule(max_length, {"max_letters": Integer(3, 40, "letters")}),
    "words:long_words": Rule(
        long_words, {"count": Integer(1, 1_000, "words"), "min_letters": Integer(5, 20, "letters")}
    ),
    "words:starting_letter": Rule(starting_letter, {"letter": LETTERS, "count": Integer(1, 1_000, "words")}),
    "words:avoid_starting_letter": Rule(avoid_starting_letter, {"letter": LETTERS}),
    "words:ending": Rule(
        ending, {"suffix": Text("the ending", max_chars=10, one_word=True), "count": Integer(1, 1_000, "words")}
    ),
    "words:order": Rule(
        order,
        {
            "first": Text("the word that comes first", max_chars=40, one_word=True),
            "second": Text("the word that comes later", max_chars=40, one_word=True),
        },
    ),
    "words:hyphenated": Rule(hyphenated, {"count": Integer(1, 1_000, "words")}),
    "words:no_first_person": Rule(no_first_person),
    "words:no_contractions": Rule(no_contractions),
    "words:no_filler_words": Rule(no_filler_words),
}
