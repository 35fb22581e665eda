"""Rules on length and shape: characters, sentences, lines, paragraphs."""

from ifrl_core.constraints.verifiers.arguments import Choice, Integer
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import words_of

_MANY = 100_000


def characters(view: View, relation: str, num_characters: int) -> bool:
    """At most / at least so many characters, surrounding whitespace not counted."""
    length = len(view.stripped)
    return length <= num_characters if relation == "at most" else length >= num_characters


def exact_sentences(view: View, num_sentences: int) -> bool:
    return len(view.sentences) == num_sentences


def sentence_words(view: View, max_words: int) -> bool:
    """No sentence has more than so many words; the end of a line (a heading, a table row) ends a sentence too."""
    if len(view.words) <= max_words:
        return True
    return all(
        len(words_of(sentence)) <= max_words
        for line in view.lines
        if len(words_of(line)) > max_words
        for sentence in split_sentences(line)
    )


def first_sentence(view: View, num_words: int) -> bool:
    """The first sentence has exactly so many words."""
    return len(words_of(view.sentences[0])) == num_words if view.sentences else False


def lines(view: View, num_lines: int) -> bool:
    """Exactly so many lines, blank ones not counted."""
    return len(view.lines) == num_lines


def line_characters(view: View, max_characters: int) -> bool:
    """No line is longer than so many characters."""
    return all(len(line) <= max_characters for line in view.lines)


def paragraphs(view: View, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs with blank lines between them."""
    return len(view.paragraphs) == num_paragraphs


def paragraph_sentences(view: View, num_paragraphs: int, num_sentences: int) -> bool:
    """Exactly so many paragraphs (blank lines between them), each of exactly so many sentences."""
    if len(view.paragraphs) != num_paragraphs:
        return False
    return all(len(split_sentences(paragraph)) == num_sentences for paragraph in view.paragraphs)


RULES = {
    "length:characters": Rule(
        characters, {"relation": Choice(("at most", "at least")), "num_characters": Integer(1, _MANY, "characters")}
    ),
    "length:exact_sentences": Rule(exact_sentences, {"num_sentences": Integer(1, 1_000, "sentences")}),
    "length:sentence_words": Rule(sentence_words, {"max_words": Integer(3, 100, "words")}),
    "length:first_sentence": Rule(first_sentence, {"num_words": Integer(1, 100, "words")}),
    "length:lines": Rule(lines, {"num_lines": Integer(1, 1_000, "lines")}),
    "length:line_characters": Rule(line_characters, {"max_characters": Integer(10, 10_000, "characters")}),
    "length:paragraphs": Rule(paragraphs, {"num_paragraphs": Integer(1, 100, "paragraphs")}),
    "length:paragraph_sentences": Rule(
        paragraph_sentences,
        {"num_paragraphs": Integer(1, 100, "paragraphs"), "num_sentences": Integer(1, 100, "sentences")},
    ),
}
