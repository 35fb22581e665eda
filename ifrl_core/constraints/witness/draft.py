"""What is demanded of one text, so that every constraint of a set is satisfied."""

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ifrl_core.constraints.witness.bank import WORDS_STARTING_WITH


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

    @property
    def is_short(self) -> bool:
        """Whether the length of the whole is limited."""
        return self.max_words is not None or self.max_characters is not None

    @property
    def lead(self) -> str:
        """The word that a sentence without one of its own begins with; empty when any letter will do."""
        return WORDS_STARTING_WITH.get(self.sentence_letter or "", "")

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
        """Every piece of text that has to stand in the whole."""
        yield from (text for text in (self.opener, self.start, self.end, *self.wrap) if text)
        yield from self.phrases
        yield from self.raw
        yield from self.paragraph_openers.values()
        yield from (opener for opener in self.line_openers or () if opener)
        yield from (item.prefix + (item.content or "") for item in self.items)

    def marks_to_add(self, mark: str) -> int:
        """How many of a mark are still to be placed beside those in the demanded texts."""
        if mark not in self.mark_counts:
            return 0
        return self.mark_counts[mark] - sum(text.count(mark) for text in self.demanded_texts())

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
