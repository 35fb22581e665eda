"""Rules on patterns across a text: acrostics, palindromes, sentence beginnings, repetition, order, scripts, case."""

import re
from itertools import pairwise

from ifrl_core.constraints.catalog.hard.words_rules import LETTERS
from ifrl_core.constraints.verifiers.arguments import Choice, Integer, Text
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import begins_with, folded, is_word, whole_word, words_of

# Name of a script -> runs of its letters.
SCRIPTS = {
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff][\u0300-\u03ff\u1f00-\u1fff]*"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff][\u0400-\u04ff\u0300-\u036f]*"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]+"),
    "Arabic": re.compile(r"[\u0600-\u06ff]+"),
    "Hangul": re.compile(r"[\uac00-\ud7a3]+"),
    "Devanagari": re.compile(r"[\u0900-\u097f]+"),
}
_OPENERS = "\"'“‘*_#> "


def _first_letter(text: str) -> str:
    return next((character.lower() for character in text if character.isalpha()), "")


def _first_word(text: str) -> str:
    words = words_of(text[:200])
    return words[0].lower() if words else ""


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())


def acrostic(view: View, word: str) -> bool:
    """The first letters of the lines, from top to bottom, spell the word and nothing more."""
    return [_first_letter(line) for line in view.lines] == list(word.lower())


def palindrome(view: View, min_letters: int) -> bool:
    """A line or sentence of at least so many letters reads the same backwards (case, blanks and marks aside)."""
    candidates = (_letters(part) for part in (*view.lines, *view.sentences) if len(part) >= min_letters)
    return any(len(letters) >= min_letters and letters == letters[::-1] for letters in candidates)


def start_letter(view: View, letter: str) -> bool:
    """Every sentence begins with the letter."""
    return bool(view.sentences) and all(_first_letter(sentence) == letter for sentence in view.sentences)


def distinct_starts(view: View, num_sentences: int) -> bool:
    """At least so many sentences, no two of which begin with the same word."""
    starts = [_first_word(sentence) for sentence in view.sentences]
    return len(starts) >= num_sentences and len(set(starts)) == len(starts)


def avoid_start(view: View, word: str) -> bool:
    """No sentence begins with the word."""
    return not any(begins_with(sentence[:200], word) for sentence in view.sentences)


def begin_phrase(view: View, phrase: str) -> bool:
    """The response begins with the phrase; opening quotes and markup may stand before it."""
    return folded(view.stripped.lstrip(_OPENERS)).lower().startswith(folded(phrase.lstrip(_OPENERS)).lower())


def phrase(view: View, phrase: str, count: int) -> bool:
    """The phrase occurs exactly so many times, in any case."""
    return view.folded.lower().count(folded(phrase).lower()) == count


def bookend(view: View) -> bool:
    """At least three sentences, the last of which repeats the first."""
    sentences = view.sentences
    return len(sentences) >= 3 and sentences[0].strip("\"'“” \n").lower() == sentences[-1].strip("\"'“” \n").lower()


def verbatim(view: View, sentence: str) -> bool:
    """The sentence stands in the text word for word."""
    return folded(sentence) in view.folded


def anaphora(view: View, phrase: str, num_lines: int) -> bool:
    """At least so many lines, every one of which begins with the phrase."""
    begin = folded(phrase).lower()
    starts = [folded(line.lstrip(_OPENERS)).lower().startswith(begin) for line in view.lines]
    return len(starts) >= num_lines and all(starts)


def request_span(view: View, span: str) -> bool:
    """The words are quoted, in double quotation marks."""
    plain = view.folded.lower().replace("“", '"').replace("”", '"')
    return f'"{folded(span).lower()}"' in plain


def alphabetical_lines(view: View, num_lines: int) -> bool:
    """Exactly so many lines, whose first words are in alphabetical order and all different."""
    starts = [_first_word(line) for line in view.lines]
    return len(starts) == num_lines and all(a < b for a, b in pairwise(starts))


def script_words(view: View, script: str, count: int) -> bool:
    """At least so many words in the script."""
    return len(SCRIPTS[script].findall(view.text)) >= count


def capital_word(view: View, word: str) -> bool:
    """The word occurs in capital letters."""
    word = folded(word)
    if is_word(word):
        return word.upper() in words_of(view.folded)
    return any(found.group().isupper() for found in whole_word(word).finditer(view.folded))


def first_line_capitals(view: View) -> bool:
    """The first line is in capitals; there are further lines, and they are not all in capitals."""
    return len(view.lines) > 1 and view.lines[0].isupper() and not all(line.isupper() for line in view.lines[1:])


RULES = {
    "letters:acrostic": Rule(acrostic, {"word": Text("the word to spell", max_chars=40, one_word=True)}),
    "letters:palindrome": Rule(palindrome, {"min_letters": Integer(3, 100, "letters")}),
    "sentences:start_letter": Rule(start_letter, {"letter": LETTERS}),
    "sentences:distinct_starts": Rule(distinct_starts, {"num_sentences": Integer(2, 1_000, "sentences")}),
    "sentences:avoid_start": Rule(avoid_start, {"word": Text("the word", max_chars=40, one_word=True)}),
    "startend:begin_phrase": Rule(begin_phrase, {"phrase": Text("the first phrase", max_chars=500)}),
    "repeat:phrase": Rule(
        phrase, {"phrase": Text("the phrase", max_chars=500), "count": Integer(1, 1_000, "occurrences")}
    ),
    "repeat:bookend": Rule(bookend),
    "repeat:verbatim": Rule(verbatim, {"sentence": Text("the sentence", max_chars=2_000)}),
    "repeat:anaphora": Rule(
        anaphora, {"phrase": Text("the phrase", max_chars=200), "num_lines": Integer(1, 1_000, "lines")}
    ),
    "repeat:request_span": Rule(request_span, {"span": Text("words of the request", max_chars=500)}),
    "order:alphabetical_lines": Rule(alphabetical_lines, {"num_lines": Integer(2, 1_000, "lines")}),
    "language:script_words": Rule(
        script_words, {"script": Choice(tuple(SCRIPTS)), "count": Integer(1, 1_000, "words")}
    ),
    "case:capital_word": Rule(capital_word, {"word": Text("the word", max_chars=40, one_word=True)}),
    "case:first_line_capitals": Rule(first_line_capitals),
}
