"""Witnesses: a text that satisfies a whole set of hard constraints at once, or None when none could be made.

Every type's `witness` writes its demand into one `Draft`; the draft is turned into a text; every verifier has its say. A
few drafts that differ in the number of sentences and the choice of filler are tried. A witness proves that a set is
satisfiable; its absence does not prove the contrary, so what is dropped for lack of one may have been possible.
"""

import json
import random
import textwrap
from collections.abc import Sequence
from itertools import cycle, pairwise

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.verifiers.verdict import verify
from ifrl_core.constraints.verifiers.view import View, words_of
from ifrl_core.constraints.witness.draft import Draft, Item
from ifrl_core.constraints.witness.filler import SENTENCES, SMALL_WORDS, WORDS_STARTING_WITH
from ifrl_core.records import Constraint

_TRIES = 24
_MAX_GROWTH = 400  # filler sentences added at most to reach a count


class _Filler:
    """An endless supply of plain sentences that a draft allows, in an order drawn from `rng`."""

    def __init__(self, draft: Draft, rng: random.Random) -> None:
        self._draft = draft
        limit = draft.sentence_words or 99
        if draft.line_characters is not None and draft.line_openers is not None:
            limit = min(limit, max(2, draft.line_characters // 9))
        pool = [s for s in SENTENCES.get(draft.language, ()) if len(s.split()) <= limit and self._starts_well(s)]
        pool = [s for s in pool if draft.allows(s)]
        words = [w for w in (*SMALL_WORDS, *WORDS_STARTING_WITH.values()) if draft.allows(w)] or [""]
        rng.shuffle(pool)
        rng.shuffle(words)
        if draft.letter_most:
            capped = {letter for letter, most in draft.letter_most.items() if most > 0}
            pool.sort(key=lambda s: sum(s.lower().count(letter) for letter in capped))
        if draft.max_words is not None or draft.max_characters is not None:
            pool.sort(key=len)
        self._pool, self._words = pool, words
        self._sentences, self._supply = cycle(pool), cycle(words)
        self._used_starts: set[str] = set()
        self._lead = WORDS_STARTING_WITH.get(draft.sentence_letter or "", "")

    def _starts_well(self, sentence: str) -> bool:
        first = sentence.split(maxsplit=1)[0].lower()
        letter = self._draft.sentence_letter
        return first not in self._draft.banned_starts and (letter is None or first.startswith(letter))

    def words(self, count: int) -> str:
        """So many single words, not a natural sentence."""
        chosen = [self._lead] if self._lead else []
        return " ".join([*chosen, *(next(self._supply) for _ in range(count - len(chosen)))][:count]).strip()

    def sentence(self) -> str:
        """A plain sentence without its mark; single words when the draft allows no sentence of the bank."""
        if self._draft.max_words is not None and self._draft.line_openers is not None:
            return self.words(1)
        for _ in range(len(self._pool)):
            sentence = next(self._sentences)
            start = sentence.split(maxsplit=1)[0].lower()
            if not self._draft.distinct_starts or start not in self._used_starts:
                self._used_starts.add(start)
                return sentence
        return self.words(min(3, self._draft.sentence_words or 3))

    def sentence_of(self, count: int) -> str:
        """A sentence of exactly `count` words."""
        for sentence in self._pool:
            if len(sentence.split()) == count:
                return sentence
        return self.words(count)

    def richest_in(self, letter: str) -> str:
        """The sentence with the most of a letter, or words that begin with it."""
        best = max(self._pool, key=lambda s: s.lower().count(letter), default="")
        return best if letter in best.lower() else WORDS_STARTING_WITH.get(letter, letter)


def _joiner(draft: Draft) -> str:
    joiners = (", ",) if draft.max_words is not None or draft.max_characters is not None else (" and ", " or ", ", ")
    return next((joiner for joiner in joiners if draft.allows(joiner)), " ")


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _lowered(sentence: str) -> str:
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _default_mark(draft: Draft) -> str:
    if draft.mark is not None:
        return draft.mark
    return next((mark for mark in ".!?" if mark not in draft.banned_characters), "")


def _chunks(phrases: list[str], draft: Draft, room: int) -> list[str]:
    """The phrases woven into at most `room` sentences, in order."""
    if not phrases:
        return []
    joiner, lead = _joiner(draft), WORDS_STARTING_WITH.get(draft.sentence_letter or "", "")
    per_sentence = max(4, -(-len(phrases) // max(1, room)))
    if draft.distinct_starts:
        per_sentence = len(phrases)  # equal phrases would begin two sentences alike
    chunks: list[list[str]] = [[]]
    for phrase in phrases:
        words = len(words_of(joiner.join([lead, *chunks[-1], phrase])))
        full = draft.sentence_words is not None and words > draft.sentence_words
        if chunks[-1] and (full or len(chunks[-1]) >= per_sentence):
            chunks.append([])
        chunks[-1].append(phrase)
    return [" ".join(filter(None, [lead, joiner.join(chunk)])) for chunk in chunks]


def _sentences(draft: Draft, filler: _Filler, phrases: list[str], count: int) -> list[str]:
    """The sentences of the running text without marks; `count` is how many there should be, if phrases allow."""
    sentences: list[str] = []
    size = draft.first_sentence_words
    if size is not None:
        openers = draft.line_openers[:1] if draft.line_openers else [draft.paragraph_openers.get(0, "")]
        before = draft.wrap[0] + openers[0]
        size = max(1, size - len(words_of(before)))
    if draft.opener:
        own_words = len(words_of(draft.opener))
        rest = _lowered(filler.sentence_of(size - own_words)) if size and size > own_words else ""
        if size is None and draft.opener[-1] not in ".!?":
            limit = (draft.sentence_words or 99) - own_words
            tail = filler.sentence()
            rest = _lowered(tail) if len(tail.split()) <= limit else filler.words(max(0, limit))
        sentences.append(f"{draft.opener} {rest}".strip())
    elif size is not None:
        sentences.append(filler.sentence_of(size))
    elif draft.loud_first_line or draft.bookend or draft.sentence_letter:
        sentences.append(filler.sentence())
    if len(sentences) >= count and phrases:  # no room for a second sentence
        woven = _chunks(phrases, draft, 1)[0]
        if size is None:
            sentences[-1] += _joiner(draft) + woven
        else:
            start = " ".join(filter(None, [draft.opener, woven]))
            sentences[-1] = f"{start} {filler.words(max(0, size - len(words_of(start))))}".strip()
    else:
        sentences += _chunks(phrases, draft, max(1, count - len(sentences)))
    while len(sentences) < count:
        sentences.append(filler.sentence())
    return sentences


def _grow(draft: Draft, filler: _Filler, sentences: list[str], fixed: bool, words: int) -> None:
    """Add filler until the counts are reached: as new sentences, or onto the last ones when their number is fixed."""
    joiner = _joiner(draft)
    for step in range(_MAX_GROWTH):
        text = " ".join(sentences)
        lacking = [letter for letter, least in draft.letter_least.items() if text.lower().count(letter) < least]
        short = len(text.split()) < draft.min_words - words or len(text) < draft.min_characters
        if not lacking and not short:
            return
        addition = filler.richest_in(lacking[0]) if lacking else filler.sentence()
        if fixed:
            first = 1 if len(sentences) > 1 else 0
            place = first + step % (len(sentences) - first)
            sentences[place] = f"{sentences[place]}{joiner}{_lowered(addition)}"
        else:
            sentences.append(addition)


def _line(item: Item, draft: Draft, filler: _Filler) -> str:
    content = item.content
    if content is None:
        tight = draft.max_words is not None or draft.max_characters is not None
        content = filler.words(1) if tight else filler.sentence()
    return item.prefix + content + item.suffix + (_default_mark(draft) if item.marked else "")


def _sizes(draft: Draft, parts: int, total: int) -> list[int]:
    """How many sentences each paragraph or line gets; those given in `start`, `end` and `raw` count in their place."""
    if draft.paragraph_sentences is None:
        if total < parts:
            return [1] * total + [0] * (parts - total)
        bounds = [i * total // parts for i in range(parts + 1)]
        return [high - low for low, high in pairwise(bounds)]
    sizes = [draft.paragraph_sentences] * parts
    sizes[0] -= len(draft.raw) + bool(draft.start)
    sizes[-1] -= bool(draft.end)
    return [max(0, size) for size in sizes]


def _marks(draft: Draft, count: int) -> list[str]:
    """The mark after each of `count` sentences: those asked for by number first, then the usual one."""
    asked = [mark for mark in "!?" for _ in range(draft.marks_to_add(mark))]
    if draft.bookend:
        asked.insert(0, _default_mark(draft))  # the first sentence comes twice
    return (asked + [_default_mark(draft)] * count)[:count]


def _write(draft: Draft, rng: random.Random, more: int) -> str:
    """One text for the draft, with `more` sentences than its least number (negative: fewer, for those in items)."""
    filler = _Filler(draft, rng)
    openers = dict(enumerate(draft.line_openers)) if draft.line_openers is not None else draft.paragraph_openers
    parts = len(draft.line_openers) if draft.line_openers is not None else draft.paragraphs
    asked = sum(draft.marks_to_add(mark) for mark in "!?")
    two = draft.loud_first_line or (draft.final_mark and (draft.raw or (draft.items and not draft.items[-1].marked)))
    least = max(draft.min_sentences, asked, 2 if two else 1)
    count = max(1, parts - bool(draft.end), least + more)
    if draft.paragraph_sentences is not None:
        count = sum(_sizes(draft, parts, 0))
    phrases = list(draft.phrases)
    for mark in ";:":
        phrases += draft.pick((f"so{mark} go", f"it{mark} fun", f"home{mark} sea"), draft.marks_to_add(mark))
    sentences = _sentences(draft, filler, phrases, count)
    items = [_line(item, draft, filler) for item in draft.items]
    fixed = draft.line_openers is not None or draft.paragraph_sentences is not None or draft.max_sentences is not None
    fixed = fixed or draft.distinct_starts
    _grow(draft, filler, sentences, fixed, sum(len(line.split()) for line in items))
    sizes, place = _sizes(draft, parts, len(sentences)), 0
    for i, size in enumerate(sizes):
        if openers.get(i) and size:
            sentences[place] = f"{openers[i]} {_lowered(sentences[place])}"
        place += size
    marked = [
        _capitalised(sentence) + ("" if sentence[-1:] in ".!?" else mark)
        for sentence, mark in zip(sentences, _marks(draft, len(sentences)), strict=True)
    ]
    if draft.bookend:
        marked[-1:] = [marked[0]] if draft.paragraph_sentences is not None else [marked[-1], marked[0]]
        sizes[-1] += draft.paragraph_sentences is None
    if draft.loud_first_line:
        marked[0] = marked[0].upper() + "\n"
    if draft.final_mark is not None:
        last = items if items and len(marked) == 1 else marked
        last[-1] = last[-1].rstrip(".!?") + draft.final_mark
    return _finished(draft, _laid_out(draft, marked, items, sizes))


def _laid_out(draft: Draft, sentences: list[str], items: list[str], sizes: list[int]) -> str:
    """The sentences in paragraphs or lines of the given sizes; lines of their own stand behind the first sentence."""
    blocks, place = [], 0
    for i, size in enumerate(sizes):
        last = i == len(sizes) - 1
        group = sentences[place:] if last else sentences[place : place + size]
        place += size
        if i == 0:
            group = [*group[:1], *draft.raw, *group[1:]]
        if i == 0 and items:
            rest = " ".join(group[1:])
            blocks.append("\n".join([*(part.strip() for part in group[:1]), *items, *([rest] if rest else [])]))
        else:
            blocks.append(" ".join(group).replace("\n ", "\n"))
    return ("\n" if draft.line_openers is not None else draft.divider).join(blocks)


def _finished(draft: Draft, body: str) -> str:
    """The body between its ends, broken into lines, in its wrapping, case and format."""
    if draft.start:
        body = f"{draft.start}{'' if draft.start[-1] in '.!?' else _default_mark(draft)}\n{body}"
    if draft.end:
        apart = "\n" if draft.items or draft.end_on_own_line else " "
        body = f"{body}{apart if body and not body.endswith(chr(10)) else ''}{draft.end}"
    if draft.line_characters is not None and draft.line_openers is None:
        body = "\n".join(
            textwrap.fill(line, draft.line_characters, break_long_words=False, break_on_hyphens=False)
            for line in body.split("\n")
        )
    body = draft.wrap[0] + body + draft.wrap[1]
    if draft.case is not None:
        body = body.upper() if draft.case == "upper" else body.lower()
    if draft.json:
        key = next((key for key in ("text", "it", "so", "my", "go") if draft.allows(key)), "")
        body = json.dumps({key: body}, ensure_ascii=False)
    return body


def draft_of(constraints: Sequence[Constraint]) -> Draft | None:
    """The demands of the hard constraints in one draft; None when a type has no witness."""
    demands = []
    for constraint in constraints:
        if constraint.kind == "soft":
            continue
        type_ = CATALOG.get(constraint.type)
        if type_ is None or type_.witness is None:
            return None
        demands.append((type_.witness, constraint.args))
    bans = Draft()
    for witness, args in demands:
        witness(bans, dict(args))
    draft = Draft()
    draft.take_bans_of(bans)
    for witness, args in demands:
        witness(draft, dict(args))
    return draft


def witness_of(constraints: Sequence[Constraint], *, tries: int = _TRIES) -> str | None:
    """A text that satisfies every hard constraint of the set, checked by the verifiers; None when none was found.

    Deterministic. Soft constraints are passed over: no rule can say that they are met.
    """
    draft = draft_of(constraints)
    if draft is None or draft.contradiction() is not None:
        return None
    hard = [constraint for constraint in constraints if constraint.kind == "hard"]
    for attempt in range(tries):
        # 0, +1, -1, +2, -2 ... sentences against the least number: items and ends hold sentences of their own.
        more = (attempt + 1) // 2 * (1 if attempt % 2 else -1) if attempt < 9 else attempt // 2
        text = _write(draft, random.Random(attempt), more)
        view = View(text)
        if all(verify(constraint.type, constraint.args, view) for constraint in hard):
            return text
    return None
