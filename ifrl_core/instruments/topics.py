"""Types whose slot is a topic, by the sentence embedding: does an answer lie nearer its own slot's words than other ones?"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean, stdev

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.instruments.instrument import Asked, Instrument
from ifrl_core.models.sentence_embedding import INSTALL, PACKAGE, embedding_folder

SLOTS = {  # the argument that names the topic
    "content:example": "domain",
    "content:analogy": "domain",
    "situation:setting": "setting",
    "situation:occasion": "occasion",
    "situation:era": "era",
    "situation:culture": "culture",
    "rhetoric:imagery": "imagery",
}


def nearness(asked: Sequence[Asked]) -> list[float | None]:
    """Where the answer's cosine to its own slot's words lies among those to the type's other values (`placed`). A blank
    answer scores 0."""
    from torch.nn.functional import normalize

    from ifrl_core.inference.text_vectors import TextVectors

    folder = embedding_folder()
    if folder is None or not asked:
        return [None] * len(asked)
    vectors = TextVectors(folder, special_tokens=True)
    slots = sorted({value for item in asked for value in _values(item)})
    topics = dict(zip(slots, normalize(vectors(slots), dim=-1), strict=True))
    answers = normalize(vectors([item.response.strip() or " " for item in asked]), dim=-1)
    found: list[float | None] = []
    for item, answer in zip(asked, answers, strict=True):
        own, *others = (float(topics[value] @ answer) for value in _values(item))
        found.append(placed(own, others) if item.response.strip() else 0.0)
    return found


def placed(own: float, others: Sequence[float]) -> float:
    """How many standard deviations `own` lies above the mean of the others, squashed into [0, 1] by the logistic curve."""
    above = (own - fmean(others)) / max(stdev(others), 1e-3)
    return 1 / (1 + math.exp(-above)) if above > 0 else math.exp(above) / (1 + math.exp(above))


@cache
def _allowed(type_id: str) -> tuple[str, ...]:
    return tuple(CATALOG[type_id].arguments[SLOTS[type_id]].values)  # type: ignore[attr-defined]


def _values(item: Asked) -> tuple[str, ...]:
    own = item.args[SLOTS[item.type]]
    return (own, *(value for value in _allowed(item.type) if value != own))


def _missing() -> str | None:
    return None if embedding_folder() else INSTALL


TOPICS = Instrument("topics", frozenset(SLOTS), nearness, _missing, (placed, _values), PACKAGE)
