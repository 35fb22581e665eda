"""A draft: what a text has to have so that a set of constraints is satisfied. Witnesses edit it, `compose` writes it."""

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ifrl_core.constraints.verifiers.capitals import count_capital_words


@dataclass
class Item:
    """A line of its own: `prefix` + content + `suffix`. Content None is filled with a plain sentence."""

    prefix: str = ""
    content: str | None = None
    suffix: str = ""
    marked: bool = True  # whether the line takes a sentence mark


@dataclass
class Draft:
    """Demands on one text. Counts are of words, sentences, characters and lines; None is no demand."""

    # The two ends and what goes around everything.
    opener: str = ""  # the first words; the first sentence goes on after them
    start: str = ""  # a text of its own before everything else
    end: str = ""  # a text of its own after everything else
    end_on_own_line: bool = False
    wrap: tuple[str, str] = ("", "")
    bookend: bool = False
    # What the text contains: word groups woven into sentences, and lines of their own.
    phrases: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)  # whole sentences with their marks
    items: list[Item] = field(default_factory=list)
    # Shape.
    paragraphs: int = 1
    divider: str = "\n\n"
    paragraph_openers: dict[int, str] = field(default_factory=dict)  # index of the paragraph -> its first word
    paragraph_sentences: int | None = None
    line_openers: list[str] | None = None  # one sentence a line, each beginning with its opener ("" for any)
    line_characters: int | None = None
    loud_first_line: bool = False
    json: bool = False
    # Counts.
    min_words: int = 0
    max_words: int | None = None
    min_characters: int = 0
    max_characters: int | None = None
    min_sentences: int = 1
    max_sentences: int | None = None
    sentence_words: int | None = None
    first_sentence_words: int | None = None
    # Letters and words.
    case: str | None = None  # "upper" or "lower"
    language: str = "en"
    letter_least: Counter[str] = field(default_factory=Counter)
    letter_most: dict[str, int] = field(default_factory=dict)
    banned_characters: set[str] = field(default_factory=set)
    banned_words: set[str] = field(default_factory=set)
    banned_initials: set[str] = field(default_factory=set)
    banned_starts: set[str] = field(default_factory=set)
    longest_word: int | None = None
    sentence_letter: str | None = None
    distinct_starts: bool = False
    # Marks.
    mark: str | None = None  # after every sentence
    final_mark: str | None = None
    mark_counts: dict[str, int] = field(default_factory=dict)  # mark -> exactly how many
    most_capital_words: int | None = None

    def no_more_sentences_than(self, most: int) -> None:
        self.max_sentences = most if self.max_sentences is None else min(self.max_sentences, most)

    def no_more_words_than(self, most: int) -> None:
        self.max_words = most if self.max_words is None else min(self.max_words, most)

    def pick(self, options: Sequence[str], count: int) -> list[str]:
        """`count` of the options that the bans allow, over and over; of all options when they allow none."""
        allowed = [option for option in options if self.allows(option)] or list(options)
        allowed.sort(key=lambda option: sum(option.lower().count(letter) for letter in self.letter_most))
        return [allowed[i % len(allowed)] for i in range(count)]

    def take_bans_of(self, other: "Draft") -> None:
        """Take over what another draft forbids, so that `pick` knows it before anything is demanded."""
        self.letter_most = dict(other.letter_most)
        self.banned_characters = set(other.banned_characters)
        self.banned_words = set(other.banned_words)
        self.banned_initials = set(other.banned_initials)
        self.longest_word = other.longest_word

    def demanded_texts(self) -> Iterator[str]:
        """Every piece of text that has to stand in the answer."""
        yield from (text for text in (self.opener, self.start, self.end, *self.wrap) if text)
        yield from self.phrases
        yield from self.raw
        yield from self.paragraph_openers.values()
        yield from (opener for opener in self.line_openers or () if opener)
        yield from (item.prefix + (item.content or "") for item in self.items)

    def least_words(self) -> int:
        """Words without which the demands cannot be met, counted from below."""
        demanded = sum(len(text.split()) for text in self.demanded_texts())
        pieces = sum(item.content is None for item in self.items) + len(self.line_openers or ())
        shape = max(self.min_sentences, self.paragraphs * (self.paragraph_sentences or 1))
        return max(self.min_words, demanded + pieces, shape + pieces, self.first_sentence_words or 0)

    def least_sentences(self) -> int:
        """Sentences without which the demands cannot be met, each list item counted as one."""
        shape = max(self.min_sentences, self.paragraphs * (self.paragraph_sentences or 1), len(self.line_openers or ()))
        if self.bookend:
            shape = max(shape, 3)
        after = 2 if self.end.startswith("P.") else bool(self.end or self.bookend or self.loud_first_line)
        around = 1 + len(self.raw) + bool(self.start) + after  # Punkt takes "P.S." for a sentence
        listed = sum(item.marked for item in self.items) + bool(self.items and not self.items[-1].marked)
        return max(shape, around + listed)

    def marks_to_add(self, mark: str) -> int:
        """How many of a mark are still to be placed beside those in the texts that are asked for."""
        if mark not in self.mark_counts:
            return 0
        return self.mark_counts[mark] - sum(text.count(mark) for text in self.demanded_texts())

    def _mismatched_sentence(self) -> str | None:
        """A whole sentence that is asked for against a rule on how sentences begin or end."""
        for text in filter(None, (self.start, self.end, *self.raw)):
            if self.mark is not None and not text.endswith(self.mark):
                return f"{text!r} does not end with {self.mark!r}"
        openings = (self.opener, self.start, self.end, *self.raw, *(self.line_openers or ()))
        for text in filter(None, openings):
            if self.sentence_letter is not None and not text.lower().startswith(self.sentence_letter):
                return f"{text!r} does not begin with {self.sentence_letter!r}"
        for text in filter(None, (*openings, *self.paragraph_openers.values())):
            if text.lower().split()[0].strip(string.punctuation) in self.banned_starts:
                return f"{text!r} begins with a forbidden word"
        return None

    def contradiction(self) -> str | None:
        """Why no text can meet the demands, as far as that is plain from them; None when nothing speaks against it."""
        for text in self.demanded_texts():
            if not self.allows(text):
                return f"{text!r} is asked for and forbidden"
            words = len(text.split())
            if self.sentence_words is not None and text in self.phrases and words > self.sentence_words:
                return f"{text!r} has more than {self.sentence_words} words"
        if self.start and self.first_sentence_words is not None:
            return f"{self.start!r} is the first sentence"
        if self.paragraph_openers.get(0) and (
            self.opener or self.start or self.line_openers or self.wrap[0][:1] == "<"
        ):
            return "two beginnings are asked for"
        if mismatch := self._mismatched_sentence():
            return mismatch
        if any(self.marks_to_add(mark) < 0 for mark in self.mark_counts):
            return "a mark is asked for more often than it may occur"
        if self.most_capital_words is not None:
            capitals = sum(count_capital_words(text) for text in self.demanded_texts())
            if capitals > self.most_capital_words:
                return f"{capitals} words in capitals are asked for and {self.most_capital_words} allowed"
        if self.max_words is not None and self.least_words() > self.max_words:
            return f"{self.least_words()} words are needed and {self.max_words} allowed"
        if self.max_sentences is not None and self.least_sentences() > self.max_sentences:
            return f"{self.least_sentences()} sentences are needed and {self.max_sentences} allowed"
        most = self.max_characters
        demanded = sum(len(text) + 2 for text in self.demanded_texts())
        filled = sum(3 for item in self.items if item.content is None)
        least = max(self.min_characters, self.least_words() * 3, demanded + filled)
        if most is not None and least > most:
            return f"more than {most} characters are needed"
        return None

    def allows(self, text: str) -> bool:
        """Whether the words of `text` respect every ban on letters and words (counts are not looked at)."""
        lower = text.lower()
        if any(character in self.banned_characters for character in text):
            return False
        if any(most == 0 and letter in lower for letter, most in self.letter_most.items()):
            return False
        for word in lower.split():
            bare = word.strip(string.punctuation)
            if bare in self.banned_words or bare[:1] in self.banned_initials:
                return False
            if self.longest_word is not None and len(bare) > self.longest_word:
                return False
        return True
