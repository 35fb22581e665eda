"""Sentences as nltk's English Punkt splits them, with the model that a package carries (nothing is downloaded)."""

from functools import cache, lru_cache
from typing import Any

import punkt
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer


class _CachedPunkt(PunktSentenceTokenizer):  # type: ignore[misc]
    """Punkt with its decisions remembered: the eight loose variants of a response ask the same questions."""

    @lru_cache(maxsize=100_000)  # noqa: B019  (one tokenizer lives as long as the process)
    def _decide(self, context: str) -> bool:
        return bool(super().text_contains_sentbreak(context))

    def text_contains_sentbreak(self, text: str) -> bool:
        # A context is normally two words; a text without spaces would fill the cache with its own size.
        return self._decide(text) if len(text) < 100 else bool(super().text_contains_sentbreak(text))


@cache
def _tokenizer() -> Any:
    model = punkt.load_model("english")
    parameters = PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context.update(model.ortho_context)
    return _CachedPunkt(parameters)


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`, as `nltk.sent_tokenize` gives them with English Punkt."""
    return list(_tokenizer().tokenize(text))
