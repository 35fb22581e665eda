"""IFEval's word-level rules: keywords, letters, length, language and case.

Semantics are those of the reference checkers of Zhou et al., Instruction-Following Evaluation for Large Language Models
(arXiv 2311.07911), with one exception made for safety: a keyword is text, not a regular expression.
"""

import re
from functools import lru_cache

from ifrl_core.constraints.verifiers.arguments import Integer, Text, Texts
from ifrl_core.constraints.verifiers.language_code import Language, speaks
from ifrl_core.constraints.verifiers.rule import RELATION, Rule, related
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import folded, whole_word

_MANY = 1_000_000
_MEDIAN_LETTER = "m"


@lru_cache(maxsize=4096)
def _anywhere(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text), re.IGNORECASE)


def _occurs(view: View, keyword: str) -> bool:
    # Only ASCII text folds case the same way in `lower` and in a regex (the Kelvin sign matches k in a regex).
    if view.text.isascii():
        return folded(keyword).lower() in view.lower
    return _anywhere(folded(keyword)).search(view.folded) is not None


def _count(view: View, keyword: str) -> int:
    if view.text.isascii():
        return view.lower.count(folded(keyword).lower())
    return len(_anywhere(folded(keyword)).findall(view.folded))


def existence(view: View, keywords: list[str]) -> bool:
    """Every keyword occurs, in any case, also inside other words."""
    return all(_occurs(view, keyword) for keyword in keywords)


def frequency(view: View, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword occurs at least / less than `frequency` times, also inside other words."""
    return related(_count(view, keyword), relation, frequency)


def forbidden_words(view: View, forbidden_words: list[str]) -> bool:
    """None of the words occurs as a whole word."""
    return not any(_occurs(view, word) and whole_word(folded(word)).search(view.folded) for word in forbidden_words)


def letter_frequency(view: View, letter: str, let_frequency: int, let_relation: str) -> bool:
    """A letter occurs at least / less than so many times, in any case.

    Two of IFEval's prompts name a character that is no letter (`#`, `!`); the reference then counts a letter drawn anew
    at random in each call. The letter of median frequency is counted here: always the same verdict, and the one that
    agrees with a random draw most often. Our catalog takes letters only, and has types of its own for marks.
    """
    counted = letter.lower() if "a" <= letter.lower() <= "z" else _MEDIAN_LETTER
    return related(view.lower.count(counted), let_relation, let_frequency)


def number_words(view: View, num_words: int, relation: str) -> bool:
    return related(view.word_count, relation, num_words)


def number_sentences(view: View, num_sentences: int, relation: str) -> bool:
    return related(len(view.sentences), relation, num_sentences)


def response_language(view: View, language: str) -> bool:
    """The detected language is `language`; a text without any letters passes, as in the reference."""
    return view.language is None or speaks(view.language, language)


def english_capital(view: View) -> bool:
    return view.text.isupper() and response_language(view, "en")


def english_lowercase(view: View) -> bool:
    return view.text.islower() and response_language(view, "en")


def capital_word_frequency(view: View, capital_frequency: int, capital_relation: str) -> bool:
    return related(view.capital_word_count, capital_relation, capital_frequency)


def no_comma(view: View) -> bool:
    return "," not in view.text


RULES = {
    "keywords:existence": Rule(existence, {"keywords": Texts("keywords to include")}),
    "keywords:frequency": Rule(
        frequency,
        {"keyword": Text("the keyword"), "frequency": Integer(0, _MANY, "occurrences"), "relation": RELATION},
    ),
    "keywords:forbidden_words": Rule(forbidden_words, {"forbidden_words": Texts("words to avoid")}),
    "keywords:letter_frequency": Rule(
        letter_frequency,
        {
            "letter": Text("the letter", max_chars=1),
            "let_frequency": Integer(0, _MANY, "occurrences"),
            "let_relation": RELATION,
        },
    ),
    "language:response_language": Rule(response_language, {"language": Language()}),
    "length_constraints:number_words": Rule(
        number_words, {"num_words": Integer(0, _MANY, "words"), "relation": RELATION}
    ),
    "length_constraints:number_sentences": Rule(
        number_sentences, {"num_sentences": Integer(0, _MANY, "sentences"), "relation": RELATION}
    ),
    "change_case:english_capital": Rule(english_capital),
    "change_case:english_lowercase": Rule(english_lowercase),
    "change_case:capital_word_frequency": Rule(
        capital_word_frequency,
        {"capital_frequency": Integer(0, _MANY, "words"), "capital_relation": RELATION},
    ),
    "punctuation:no_comma": Rule(no_comma),
}
