"""Types whose slot is a topic, by the sentence embedding: does an answer lie nearer its own slot's words than other ones?"""

from collections.abc import Sequence
from functools import cache

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
    """How many standard deviations the answer's cosine to its own slot's words lies above the mean of those to the type's
    other values, squashed into [0, 1] by the logistic curve. A value that the catalog does not know is compared all the same.
    """
    import torch
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
        own = item.args[SLOTS[item.type]]
        others = torch.stack([topics[value] for value in _values(item) if value != own]) @ answer
        above = (topics[own] @ answer - others.mean()) / others.std().clamp_min(1e-3)
        found.append(float(torch.sigmoid(above)) if item.response.strip() else 0.0)
    return found


@cache
def _allowed(type_id: str) -> tuple[str, ...]:
    return tuple(CATALOG[type_id].arguments[SLOTS[type_id]].values)  # type: ignore[attr-defined]


def _values(item: Asked) -> tuple[str, ...]:
    own = item.args[SLOTS[item.type]]
    return (own, *(value for value in _allowed(item.type) if value != own))


def _missing() -> str | None:
    return None if embedding_folder() else INSTALL


TOPICS = Instrument("topics", frozenset(SLOTS), nearness, _missing, (nearness, PACKAGE))
