"""Language detection: langdetect's algorithm and profiles, with its inner loop in numpy.

The result is that of `langdetect.detect` with `DetectorFactory.seed = 0` (the same random draws, in the same order),
at several times its speed: n-grams are looked up a word at a time, five updates of the 55 language probabilities are
one product, and the trials stop once the remaining ones cannot change the winner.
"""

import random
import re
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from langdetect import detector_factory
from langdetect.detector import Detector
from langdetect.utils.ngram import NGram
from langdetect.utils.unicode_block import unicode_block

_SEED = 0
# langdetect reads the first 10,000 characters after URLs are cut; the regexes need not see a megabyte for that.
_MAX_RAW_CHARS = 40_000
_LONG_WORD = 30  # characters
_LATIN = re.compile(r"[A-z]")


class _Normalised(dict[int, str]):
    """Character code -> langdetect's normal form of that character, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        normal: str = NGram.normalize(chr(code))
        self[code] = normal
        return normal


_NORMALISED = _Normalised()


@cache
def _profiles() -> tuple[list[str], dict[str, int], np.ndarray]:
    """Language codes (L), n-gram -> row, and P(n-gram | language) with shape (n-grams, L)."""
    detector_factory.init_factory()
    factory = detector_factory._factory
    rows = {gram: row for row, gram in enumerate(factory.word_lang_prob_map)}
    return list(factory.langlist), rows, np.array(list(factory.word_lang_prob_map.values()))


def _rows_of_word(word: str, ended: bool) -> tuple[int, ...]:
    """Rows of the 1-, 2- and 3-grams of one word; inside a run of capitals langdetect takes none."""
    row_of = _profiles()[1]
    padded = f" {word} " if ended else f" {word}"
    rows = []
    for i in range(1, len(padded)):
        if padded[i].isupper() and padded[i - 1].isupper():
            continue
        for n in (1, 2, 3):
            if i - n + 1 < 0:
                break
            row = row_of.get(padded[i - n + 1 : i + 1])
            if row is not None and not (n == 1 and padded[i] == " "):
                rows.append(row)
    return tuple(rows)


_remembered_rows = lru_cache(maxsize=50_000)(_rows_of_word)


def _rows(word: str, ended: bool) -> tuple[int, ...]:
    # Scripts without spaces make "words" of any length, which never come again.
    return _remembered_rows(word, ended) if len(word) <= _LONG_WORD else _rows_of_word(word, ended)


def _feature_rows(text: str) -> list[int]:
    text = text[:_MAX_RAW_CHARS]
    if "://" in text:
        text = Detector.URL_RE.sub(" ", text)
    if "@" in text:
        text = Detector.MAIL_RE.sub(" ", text)
    if not text.isascii():
        text = NGram.normalize_vi(text)
    text = text[:10_000]
    if not text.isascii():
        latin = len(_LATIN.findall(text))
        others = sum(ch >= "\u0300" and unicode_block(ch) != "Latin Extended Additional" for ch in text)
        if latin * 2 < others:
            text = _LATIN.sub("", text)
    words = text.translate(_NORMALISED).split(" ")
    last = len(words) - 1
    return [row for i, word in enumerate(words) if word for row in _rows(word, i < last)]


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language of `text` (`zh-cn`, `zh-tw` for Chinese); None when it has no features at all."""
    features = _feature_rows(text)
    if not features:
        return None
    languages, _, profile = _profiles()
    rng = random.Random(_SEED)
    total = np.zeros(len(languages))
    trials = 7
    for trial in range(trials):
        alpha = Detector.ALPHA_DEFAULT + rng.gauss(0.0, 1.0) * Detector.ALPHA_WIDTH
        total += _trial(features, profile, alpha / Detector.BASE_FREQ, rng.getrandbits)
        second, first = np.sort(total)[-2:]
        if first - second > trials - 1 - trial:
            break
    best = int(total.argmax())
    return languages[best] if total[best] / trials > Detector.PROB_THRESHOLD else "unknown"


def _trial(features: list[int], profile: np.ndarray, weight: float, getrandbits: Callable[[int], int]) -> np.ndarray:
    """Language probabilities (L) after as many randomly drawn features as it takes until one language is certain.

    The draws are those of `random.choice`, without its overhead: half the time of a detection would go there.
    """
    count, languages = len(features), profile.shape[1]
    bits = count.bit_length()
    probability = np.full(languages, 1.0 / languages)
    drawn, block_size = 0, 1
    while True:
        block: list[int] = []
        while len(block) < block_size:
            index = getrandbits(bits)
            if index < count:
                block.append(features[index])
        drawn += block_size
        block_size = 5
        probability *= np.multiply.reduce(profile[block] + weight)
        probability /= np.add.reduce(probability)
        if np.maximum.reduce(probability) > Detector.CONV_THRESHOLD or drawn > Detector.ITERATION_LIMIT:
            return probability
