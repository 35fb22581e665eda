"""The filler: plain sentences of the bank that a draft allows, without end."""

import random
from itertools import cycle

from ifrl_core.constraints.witness.bank import SENTENCES, SMALL_WORDS, WORDS_STARTING_WITH
from ifrl_core.constraints.witness.draft import Draft


class Filler:
    """An endless supply of plain sentences and words that a draft allows, in an order drawn from `rng`."""

    def __init__(self, draft: Draft, rng: random.Random) -> None:
        self._draft = draft
        self._pool = _allowed_sentences(draft, rng)
        words = [w for w in (*SMALL_WORDS, *WORDS_STARTING_WITH.values()) if draft.allows(w)] or [""]
        rng.shuffle(words)
        self._sentences, self._words = cycle(self._pool), cycle(words)
        self._used_starts: set[str] = set()

    def words(self, count: int) -> str:
        """So many single words, not a natural sentence."""
        lead = self._draft.lead
        chosen = [lead] if lead else []
        return " ".join([*chosen, *(next(self._words) for _ in range(count - len(chosen)))][:count]).strip()

    def sentence(self) -> str:
        """A plain sentence without its mark; single words when the draft allows no sentence of the bank."""
        if self._draft.max_words is not None and self._draft.line_openers is not None:
            return self.words(1)
        for _ in range(len(self._pool)):
            sentence = next(self._sentences)
            start = _first_word(sentence)
            if not self._draft.distinct_starts or start not in self._used_starts:
                self._used_starts.add(start)
                return sentence
        return self.words(min(3, self._draft.sentence_words or 3))

    def sentence_of(self, count: int) -> str:
        """A sentence of exactly `count` words."""
        return next((s for s in self._pool if len(s.split()) == count), None) or self.words(count)

    def richest_in(self, letter: str) -> str:
        """The sentence with the most of a letter, or a word that begins with it."""
        best = max(self._pool, key=lambda s: s.lower().count(letter), default="")
        return best if letter in best.lower() else WORDS_STARTING_WITH.get(letter, letter)


def _allowed_sentences(draft: Draft, rng: random.Random) -> list[str]:
    """Shuffled; those with few of the letters that are limited first, and short ones where the length is."""
    most_words = draft.sentence_words or 99
    if draft.line_characters is not None and draft.line_openers is not None:
        most_words = min(most_words, max(2, draft.line_characters // 9))
    pool = [
        sentence
        for sentence in SENTENCES.get(draft.language, ())
        if len(sentence.split()) <= most_words and _starts_well(sentence, draft) and draft.allows(sentence)
    ]
    rng.shuffle(pool)
    if draft.letter_most:
        limited = {letter for letter, most in draft.letter_most.items() if most > 0}
        pool.sort(key=lambda s: sum(s.lower().count(letter) for letter in limited))
    if draft.is_short:
        pool.sort(key=len)
    return pool


def _starts_well(sentence: str, draft: Draft) -> bool:
    first, letter = _first_word(sentence), draft.sentence_letter
    return first not in draft.banned_starts and (letter is None or first.startswith(letter))


def _first_word(sentence: str) -> str:
    return sentence.split(maxsplit=1)[0].lower()
