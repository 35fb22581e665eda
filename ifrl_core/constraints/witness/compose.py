"""From a draft to a text: the phases one after the other, tried until a text passes."""

import random
from collections.abc import Callable

from ifrl_core.constraints.witness.contradiction import contradiction
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.constraints.witness.filler import Filler
from ifrl_core.constraints.witness.layout import item_line, laid_out
from ifrl_core.constraints.witness.plan import plan_of
from ifrl_core.constraints.witness.sentences import lengthen, running_text

_TRIES = 24


def compose(draft: Draft, passes: Callable[[str], bool]) -> str | None:
    """The first text written for the draft that `passes`; None when the draft contradicts itself or no try passes.

    Deterministic. A text proves that the demands can be met; None does not prove the contrary.
    """
    if contradiction(draft) is not None:
        return None
    texts = (_text(draft, random.Random(attempt), _more_sentences(attempt)) for attempt in range(_TRIES))
    return next((text for text in texts if passes(text)), None)


def _more_sentences(attempt: int) -> int:
    """0, +1, -1, +2, -2 ... against the least number, for items and ends hold sentences of their own; then more alone."""
    if attempt < 9:
        return (attempt + 1) // 2 * (1 if attempt % 2 else -1)
    return attempt // 2


def _text(draft: Draft, rng: random.Random, more_sentences: int) -> str:
    filler = Filler(draft, rng)
    plan = plan_of(draft, more_sentences)
    sentences = running_text(draft, plan, filler)
    items = [item_line(item, draft, filler) for item in draft.items]
    lengthen(sentences, draft, plan, filler, words_in_items=sum(len(line.split()) for line in items))
    return laid_out(sentences, items, draft, plan)
