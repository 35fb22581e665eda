"""What a draft needs at least, and why no text can give that: seen from the demands alone, before anything is written."""

import string
from collections.abc import Iterator

from ifrl_core.constraints.verifiers.capitals import count_capital_words
from ifrl_core.constraints.witness.draft import Draft


def contradiction(draft: Draft) -> str | None:
    """Why no text can meet the demands, as far as that is plain from them; None when nothing speaks against it."""
    return next((reason for check in _CHECKS for reason in check(draft)), None)


def least_words(draft: Draft) -> int:
    """Words without which the demands cannot be met, counted from below."""
    demanded = sum(len(text.split()) for text in draft.demanded_texts())
    fillers = sum(item.content is None for item in draft.items) + len(draft.line_openers or ())
    shape = max(draft.min_sentences, draft.paragraphs * (draft.paragraph_sentences or 1))
    return max(draft.min_words, demanded + fillers, shape + fillers, draft.first_sentence_words or 0)


def least_sentences(draft: Draft) -> int:
    """Sentences without which the demands cannot be met, each list item counted as one."""
    in_blocks = draft.paragraphs * (draft.paragraph_sentences or 1)
    shape = max(draft.min_sentences, in_blocks, len(draft.line_openers or ()), 3 if draft.bookend else 0)
    after = 2 if draft.end.startswith("P.") else bool(draft.end or draft.bookend or draft.loud_first_line)
    around = 1 + len(draft.raw) + bool(draft.start) + after  # Punkt takes "P.S." for a sentence
    listed = sum(item.marked for item in draft.items) + bool(draft.items and not draft.items[-1].marked)
    return max(shape, around + listed)


def _forbidden_texts(draft: Draft) -> Iterator[str]:
    for text in draft.demanded_texts():
        if not draft.allows(text):
            yield f"{text!r} is demanded and forbidden"
        if draft.sentence_words is not None and text in draft.phrases and len(text.split()) > draft.sentence_words:
            yield f"{text!r} has more than {draft.sentence_words} words"


def _two_beginnings(draft: Draft) -> Iterator[str]:
    if draft.start and draft.first_sentence_words is not None:
        yield f"{draft.start!r} is the first sentence"
    begun = draft.opener or draft.start or draft.line_openers or draft.wrap[0][:1] == "<"
    if draft.paragraph_openers.get(0) and begun:
        yield "two beginnings are demanded"


def _mismatched_sentences(draft: Draft) -> Iterator[str]:
    """Demanded sentences against a rule on how sentences begin or end."""
    for text in filter(None, (draft.start, draft.end, *draft.raw)):
        if draft.mark is not None and not text.endswith(draft.mark):
            yield f"{text!r} does not end with {draft.mark!r}"
    openings = [
        text for text in (draft.opener, draft.start, draft.end, *draft.raw, *(draft.line_openers or ())) if text
    ]
    for text in openings:
        if draft.sentence_letter is not None and not text.lower().startswith(draft.sentence_letter):
            yield f"{text!r} does not begin with {draft.sentence_letter!r}"
    for text in filter(None, (*openings, *draft.paragraph_openers.values())):
        if text.lower().split()[0].strip(string.punctuation) in draft.banned_starts:
            yield f"{text!r} begins with a forbidden word"


def _too_many_marks(draft: Draft) -> Iterator[str]:
    if any(draft.marks_to_add(mark) < 0 for mark in draft.mark_counts):
        yield "a mark is demanded more often than it may occur"
    if draft.most_capital_words is None:
        return
    capitals = sum(count_capital_words(text) for text in draft.demanded_texts())
    if capitals > draft.most_capital_words:
        yield f"{capitals} words in capitals are demanded and {draft.most_capital_words} allowed"


def _too_long(draft: Draft) -> Iterator[str]:
    words, sentences = least_words(draft), least_sentences(draft)
    if draft.max_words is not None and words > draft.max_words:
        yield f"{words} words are needed and {draft.max_words} allowed"
    if draft.max_sentences is not None and sentences > draft.max_sentences:
        yield f"{sentences} sentences are needed and {draft.max_sentences} allowed"
    demanded = sum(len(text) + 2 for text in draft.demanded_texts())
    filled = sum(3 for item in draft.items if item.content is None)
    if (
        draft.max_characters is not None
        and max(draft.min_characters, words * 3, demanded + filled) > draft.max_characters
    ):
        yield f"more than {draft.max_characters} characters are needed"


_CHECKS = (_forbidden_texts, _two_beginnings, _mismatched_sentences, _too_many_marks, _too_long)
