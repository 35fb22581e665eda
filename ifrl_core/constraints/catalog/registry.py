"""The catalog: every constraint type by its id. A type added by a user's package joins this dict."""

from ifrl_core.constraints.catalog.hard import (
    ifeval_format,
    ifeval_words,
    length,
    markup,
    numbers,
    patterns,
    punctuation,
    words,
)
from ifrl_core.constraints.catalog.soft import FAMILIES as SOFT_FAMILIES
from ifrl_core.constraints.types import ConstraintType

FAMILIES: tuple[tuple[ConstraintType, ...], ...] = (
    ifeval_words.TYPES,
    ifeval_format.TYPES,
    words.TYPES,
    length.TYPES,
    punctuation.TYPES,
    numbers.TYPES,
    markup.TYPES,
    patterns.TYPES,
    *SOFT_FAMILIES,
)

# The types of the benchmark IFEval, by id.
IFEVAL_TYPES: tuple[str, ...] = tuple(type_.id for type_ in (*ifeval_words.TYPES, *ifeval_format.TYPES))

CATALOG: dict[str, ConstraintType] = {type_.id: type_ for family in FAMILIES for type_ in family}

__all__ = ["CATALOG", "FAMILIES", "IFEVAL_TYPES"]
