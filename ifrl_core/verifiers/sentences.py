"""Sentences as nltk's English Punkt splits them, with the model that a package carries (nothing is downloaded).

The decisions are nltk's own; what is done here is to ask for few of them. nltk looks at every `.`, `?` and `!` and drops
all but the last one of a whitespace-separated token afterwards: here one match per token finds that one. Decisions depend
on two words at a time, which come again and again (not least in the loose variants of a response), so they are remembered.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

import punkt
from nltk.tokenize.punkt import PunktLanguageVars, PunktParameters, PunktSentenceTokenizer

_LANGUAGE = PunktLanguageVars()
_LONG_CONTEXT = 100  # characters; a longer one is not worth remembering
_LONGEST_CONTEXT = 2_000  # characters; of a "word" longer than that only the end is looked at
_REALIGN = _LANGUAGE.re_boundary_realignment
_CLOSERS = frozenset("\"')]}‘’“”«»")
_AFTER = r"(?=(?P<after>" + _LANGUAGE._re_non_word_chars + r"|\s+(?P<next>\S+)))"
# The last possible sentence end of a token (nltk's tokens end at ASCII whitespace only), and one at its very beginning.
_CANDIDATE = re.compile(r"(?<![^ \t\n\r\x0b\x0c])[^ \t\n\r\x0b\x0c]*[.?!]" + _AFTER)
_LEADING = re.compile(r"[.?!]" + _AFTER)


@cache
def _tokenizer() -> PunktSentenceTokenizer:
    model = punkt.load_model("english")
    parameters = PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context.update(model.ortho_context)
    return PunktSentenceTokenizer(parameters)


def _decide(context: str) -> bool:
    """Whether a sentence ends inside the context (a token up to its candidate, and what comes next)."""
    return bool(_tokenizer().text_contains_sentbreak(context))


_remembered = lru_cache(maxsize=100_000)(_decide)


def _ends_sentence(match: re.Match[str]) -> bool:
    context = match.group() + match.group("after")
    return _remembered(context) if len(context) < _LONG_CONTEXT else _decide(context[-_LONGEST_CONTEXT:])


def _candidates(text: str) -> Iterator[re.Match[str]]:
    for match in _CANDIDATE.finditer(text):
        # nltk merges the candidates of a token unless there is nothing before the first: "!?!" has two.
        # At index 1, after a blank that begins the text, it takes that blank for something.
        if match.end() - match.start() > 1 and match.start() != 1 and (leading := _LEADING.match(text, match.start())):
            yield leading
        yield match


def _raw_spans(text: str) -> Iterator[tuple[int, int]]:
    """Sentences before closing quotes and brackets go to the sentence they close."""
    begin = 0
    for match in _candidates(text):
        if _ends_sentence(match):
            yield begin, match.end()
            begin = match.start("next") if match.group("next") else match.end()
    yield begin, len(text.rstrip())


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`, as `nltk.sent_tokenize` gives them with English Punkt."""
    sentences = []
    spans = list(_raw_spans(text))
    shift = 0
    for i, (start, stop) in enumerate(spans):
        start += shift
        shift = 0
        if i + 1 < len(spans):
            following, end = spans[i + 1]
            closing = _REALIGN.match(text, following, end) if text[following : following + 1] in _CLOSERS else None
            if closing:
                shift = closing.end() - following
                sentences.append(text[start : following + len(closing.group().rstrip())])
                continue
        if start < stop:
            sentences.append(text[start:stop])
    return sentences
