"""Sentences as nltk's English Punkt splits them, with the model that a package carries (nothing is downloaded).

The decisions are nltk's own; what is done here is to ask for few of them. nltk looks at every `.`, `?` and `!` and drops
all but the last one of a whitespace-separated token afterwards: here one match per token finds that one. Decisions depend
on two words at a time, which come again and again (not least in the loose variants of a response), so they are remembered.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

_LONG_CONTEXT = 100  # characters; a longer one is not worth remembering
_LONGEST_CONTEXT = 2_000  # characters; of a "word" longer than that only the end is looked at
_CLOSERS = frozenset("\"')]}‘’“”«»")


class _Punkt(NamedTuple):
    tokenizer: Any  # nltk's own
    decide: Callable[
        [str], bool
    ]  # does a sentence end inside a context (a token up to its candidate, and what follows)?
    remembered: Callable[[str], bool]
    candidate: re.Pattern[str]  # the last possible sentence end of a token (nltk's tokens end at ASCII whitespace only)
    leading: re.Pattern[str]  # one at the very beginning of a token
    realign: re.Pattern[str]  # closing quotes and brackets that belong to the sentence before


@cache
def _punkt() -> _Punkt:
    # Imported on first use: nltk brings scipy along, which takes a second.
    import punkt
    from nltk.tokenize.punkt import PunktLanguageVars, PunktParameters, PunktSentenceTokenizer

    model, parameters, rules = punkt.load_model("english"), PunktParameters(), PunktLanguageVars()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context.update(model.ortho_context)
    tokenizer = PunktSentenceTokenizer(parameters)
    after = r"(?=(?P<after>" + rules._re_non_word_chars + r"|\s+(?P<next>\S+)))"
    return _Punkt(
        tokenizer=tokenizer,
        decide=tokenizer.text_contains_sentbreak,
        remembered=lru_cache(maxsize=100_000)(tokenizer.text_contains_sentbreak),
        candidate=re.compile(r"(?<![^ \t\n\r\x0b\x0c])[^ \t\n\r\x0b\x0c]*[.?!]" + after),
        leading=re.compile(r"[.?!]" + after),
        realign=re.compile(rules.re_boundary_realignment.pattern, re.MULTILINE),
    )


def _candidates(text: str) -> Iterator[re.Match[str]]:
    leading = _punkt().leading
    for match in _punkt().candidate.finditer(text):
        # nltk merges the candidates of a token unless there is nothing before the first: "!?!" has two.
        # At index 1, after a blank that begins the text, it takes that blank for something.
        if match.end() - match.start() > 1 and match.start() != 1 and (first := leading.match(text, match.start())):
            yield first
        yield match


def _raw_spans(text: str) -> Iterator[tuple[int, int]]:
    """Sentences before closing quotes and brackets go to the sentence they close."""
    begin, decide, remembered = 0, _punkt().decide, _punkt().remembered
    for match in _candidates(text):
        context = match.group() + match.group("after")
        if remembered(context) if len(context) < _LONG_CONTEXT else decide(context[-_LONGEST_CONTEXT:]):
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
            closing = (
                _punkt().realign.match(text, following, end) if text[following : following + 1] in _CLOSERS else None
            )
            if closing:
                shift = closing.end() - following
                sentences.append(text[start : following + len(closing.group().rstrip())])
                continue
        if start < stop:
            sentences.append(text[start:stop])
    return sentences
