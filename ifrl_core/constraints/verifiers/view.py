"""One memoised view of a response: what several constraints ask of the same text is worked out once."""

import re
from functools import cached_property

from ifrl_core.constraints.verifiers.capitals import count_capital_words
from ifrl_core.constraints.verifiers.language import detect_language
from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.words import count_runs, folded, words_of


class View:
    """A response and its parts, each computed at most once. Never raises, whatever the text holds."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def stripped(self) -> str:
        """The text without surrounding whitespace."""
        return self.text.strip()

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def word_count(self) -> int:
        r"""IFEval's word count: runs of `\w`, so that "don't" counts two."""
        return count_runs(self.text)

    @cached_property
    def folded(self) -> str:
        """The text as words are looked for in it (`words.folded`)."""
        return folded(self.text)

    @cached_property
    def words(self) -> list[str]:
        """The words of the text, by `words_of`."""
        return words_of(self.text)

    @cached_property
    def lower_words(self) -> list[str]:
        return [word.lower() for word in self.words]

    @cached_property
    def lines(self) -> list[str]:
        """The lines that hold anything but whitespace, stripped."""
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def paragraphs(self) -> list[str]:
        """Paragraphs separated by at least one blank line, stripped."""
        return [block for block in map(str.strip, re.split(r"\n[^\S\n]*\n", self.text)) if block]

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences that English Punkt sees."""
        return split_sentences(self.text)

    @cached_property
    def language(self) -> str | None:
        """ISO 639-1 code, or None when nothing in the text tells."""
        return detect_language(self.text)

    @cached_property
    def capital_word_count(self) -> int:
        """Tokens in capitals, as IFEval counts them."""
        return count_capital_words(self.text)
