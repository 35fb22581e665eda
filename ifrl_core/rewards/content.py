"""What a seed is about, in the scripts that people write, and whether a text says anything of it.

    spaced scripts          stems of words: without their endings, marks and, in Arabic, articles and weak letters
    Chinese, Japanese       Han characters, of which a fifth must come back; katakana words; three hiragana in a row
    Thai, Lao, Khmer, ...   four letters in a row

Function words and words of asking are left out (function_words.py). It is made to let good answers pass: a seed and an
answer that share no script, or are in two languages by their function words, cannot be compared, and pass.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from ifrl_core.constraints.verifiers.scripts import HAN_KANA, SOUTH_EAST
from ifrl_core.rewards import function_words as given

STEM = 4
_HAN_OF = 5
_FUNCTION_SHARE = 0.2  # of a text's words, from which on a language is told by them
_LETTERS = 3  # of the shortest content word
_COMPOUND, _PART = 9, 5  # letters of a compound and of a part of it
_COMPOUNDING = ("de", "nl")

_WORD = regex.compile(rf"(?:(?![{HAN_KANA}{SOUTH_EAST}])[\p{{L}}\p{{M}}])+")
_ASCII_WORD = re.compile("[a-z]+")
_INDIC_SCRIPTS = ("Devanagari", "Bengali", "Gujarati", "Gurmukhi", "Tamil", "Telugu", "Kannada", "Malayalam")
_SCRIPTS = ("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Hangul", "Han", "Thai", "Lao", "Khmer", "Myanmar",
            *_INDIC_SCRIPTS)  # fmt: skip
_LETTER_OF = {name: regex.compile(rf"\p{{{name}}}") for name in _SCRIPTS}
_LETTER_OF["Han"] = regex.compile(rf"[{HAN_KANA}]")
_HAN, _KATAKANA = regex.compile(r"\p{Han}"), regex.compile(r"[\p{Katakana}ー]{2,}")
_ENDING = re.compile(r"(ing|ed|es|s|e)$")
_RUSSIAN_ENDING = re.compile(r"(?:иями|ями|ами|ого|его|ому|ему|ыми|ими|ах|ях|ов|ев|ей|ой|ий|ый|ая|яя|ое|ее|ые|ие|ом|ем|ам|"
                             r"ям|ую|юю|[аеёиоуыьэюяй])$")  # fmt: skip
_HINDI_ENDING = regex.compile(r"(?:ियों|ियाँ|ियां|ाओं|ाएँ|ाएं|\p{M}+)$")
_ARABIC_BEFORE = re.compile(r"^(?:[وفبكل]?ال|لل|[وفبكل](?=\w{3}))")
_ARABIC_AFTER = re.compile(r"(?<=\w{3})(?:ات|ون|ين|ان|ها|هم|نا|يه|ه|ي)$")
_ARABIC_FOLD = str.maketrans("أإآٱىیة", "ااااييه", "ءؤئـ")
_HEBREW_BEFORE = re.compile(r"^[הובלכמש](?=\w{3})")
_PARTICLE = re.compile(r"(?:에서|으로|에게|까지|부터|처럼|보다|은|는|이|가|을|를|의|에|도|로|와|과|만)$")


def _without_marks(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


@dataclass(frozen=True)
class Content:
    """What of a text is content: `stems` of words, `han` characters, and `grams` that stand in a text as they are."""

    stems: frozenset[str] = frozenset()
    han: frozenset[str] = frozenset()
    grams: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.stems or self.han or self.grams)


@lru_cache(maxsize=4096)
def content_of(seed: str) -> Content:
    """The content of a seed instruction."""
    text = _folded(seed)
    stop = given.LATIN.get(language_of(text), frozenset[str]())
    stems = frozenset(stem for word in _words(text) if word not in stop for stem in _stems(word))
    if text.isascii():
        return Content(stems, scripts=frozenset(("Latin",)) if stems else frozenset())
    bare = _HAN_PIECES.sub(" ", text)
    han = frozenset(_HAN.findall(bare)) - given.HAN_CHARACTERS
    grams = frozenset((*_kana(text), *_windows(_THAI_PIECES.sub(" ", text), SOUTH_EAST, 4)))
    content = Content(stems, han, grams)
    scripts = (name for name in _scripts(text, 0.2)) if content else ()
    return Content(stems, han, grams, frozenset(scripts))


def is_about(seed: str, answer: str) -> bool:
    """Whether an answer says something of a seed's content, or cannot be compared with it."""
    content, text = content_of(seed), _folded(answer)
    if not content or not content.stems.isdisjoint(_all_stems(text)):
        return True
    if content.han and sum(character in text for character in content.han) >= max(1, len(content.han) // _HAN_OF):
        return True
    if any(gram in text for gram in content.grams):
        return True
    if content.scripts.isdisjoint(_scripts(text, 0.1)):
        return any(map(str.isalpha, text))
    return "Latin" in content.scripts and _in_other_words(_folded(seed), text)


def _in_other_words(seed: str, text: str) -> bool:
    """Whether two Latin texts are in two languages, or one has a word of the other in a compound."""
    languages = language_of(seed), language_of(text)
    if all(languages) and languages[0] != languages[1]:
        return True
    if languages[1] not in _COMPOUNDING:
        return False
    ours, theirs = (_roots(words, languages[1]) for words in (seed, text))
    return _compounded(ours, theirs) or _compounded(theirs, ours)


def language_of(text: str) -> str:
    """The language of a folded Latin text, as far as function words tell; `other` when they do not and every fifth word has
    a letter that English lacks; else empty."""
    words = _words(text)
    shares = {name: sum(word in own for word in words) for name, own in given.LATIN.items()}
    best = max(shares, key=lambda name: shares[name])
    second = max(count for name, count in shares.items() if name != best)
    if shares[best] > max(second, _FUNCTION_SHARE * len(words)):
        return best
    foreign = sum(not word.isascii() for word in words)
    return "other" if words and foreign >= _FUNCTION_SHARE * len(words) else ""


def _roots(text: str, language: str) -> list[str]:
    words = (word for word in _words(text) if word not in given.LATIN[language])
    return [root for word in words if len(root := _ENDING.sub("", _without_marks(word))) >= _PART]


def _compounded(parts: Sequence[str], wholes: Sequence[str]) -> bool:
    return any(len(whole) >= _COMPOUND and part in whole for whole in wholes for part in parts)


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def _all_stems(text: str) -> set[str]:
    return {stem for word in _words(text) for stem in _stems(word)}


def _words(text: str) -> list[str]:
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


@lru_cache(maxsize=100_000)
def _stems(word: str) -> tuple[str, ...]:
    """What a word is compared by; nothing for a function word."""
    if word.isascii():
        return _latin(word)
    return next((stems for letter, stems in _STEMS if letter.match(word)), _latin)(word)


def _latin(word: str) -> tuple[str, ...]:
    plain = _without_marks(word)
    return () if len(plain) < _LETTERS or word in given.ENGLISH else (_ENDING.sub("", plain)[:STEM],)


def _cyrillic(word: str) -> tuple[str, ...]:
    short = len(word) < _LETTERS or word in given.CYRILLIC
    return () if short else (_RUSSIAN_ENDING.sub("", word.replace("ё", "е"))[:STEM],)


def _arabic(word: str) -> tuple[str, ...]:
    plain = _arabic_folded(word)
    if plain in _ARABIC_STOP:
        return ()
    return _skeleton(_ARABIC_AFTER.sub("", _ARABIC_BEFORE.sub("", plain)), "اوي")


def _arabic_folded(word: str) -> str:
    return _without_marks(word).translate(_ARABIC_FOLD)


def _hebrew(word: str) -> tuple[str, ...]:
    return _skeleton(_HEBREW_BEFORE.sub("", _without_marks(word)), "וי")


def _skeleton(word: str, weak: str) -> tuple[str, ...]:
    strong = "".join(letter for letter in word if letter not in weak)
    unit = (strong if len(strong) > 1 else word)[:_LETTERS]
    return (unit,) if len(unit) > 1 else ()


def _indic(word: str) -> tuple[str, ...]:
    if word in given.INDIC or len(word) < 2:
        return ()
    return (_HINDI_ENDING.sub("", word)[:STEM],) if _LETTER_OF["Devanagari"].match(word) else (word[:_LETTERS],)


def _hangul(word: str) -> tuple[str, ...]:
    if word.startswith(given.HANGUL):
        return ()
    bare = _PARTICLE.sub("", word) if len(word) > 1 else word
    return tuple({word[:2], bare[:2]} if len(word) > 1 else {word})


_STEMS: Sequence[tuple[regex.Pattern[str], Callable[[str], tuple[str, ...]]]] = (
    (_LETTER_OF["Cyrillic"], _cyrillic),
    (_LETTER_OF["Arabic"], _arabic),
    (_LETTER_OF["Hebrew"], _hebrew),
    (_LETTER_OF["Hangul"], _hangul),
    (
        regex.compile(
            r"[\p{Devanagari}\p{Bengali}\p{Gujarati}\p{Gurmukhi}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}]"
        ),
        _indic,
    ),
)


_ARABIC_STOP = frozenset(map(_arabic_folded, given.ARABIC))


def _pieces(texts: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))))


_HAN_PIECES, _KANA_PIECES, _THAI_PIECES = _pieces(given.HAN), _pieces(given.KANA), _pieces(given.THAI)


def _kana(text: str) -> Iterator[str]:
    yield from (word[:STEM] for word in _KATAKANA.findall(text))
    yield from _windows(_KANA_PIECES.sub(" ", text), r"\p{Hiragana}", 3)


def _windows(text: str, letters: str, size: int) -> Iterator[str]:
    """Every `size` letters in a row; of a shorter run of three at least, the run."""
    for run in regex.findall(rf"[{letters}]{{3,}}", text):
        yield from (run[i : i + size] for i in range(max(1, len(run) - size + 1)))


def _scripts(text: str, share: float) -> set[str]:
    """The scripts that make up at least that share of a text's letters."""
    counts = {name: len(letter.findall(text)) for name, letter in _LETTER_OF.items()}
    return {name for name, count in counts.items() if count and count >= share * sum(counts.values())}
