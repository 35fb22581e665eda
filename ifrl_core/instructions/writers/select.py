"""Which of the constraints that a model wrote can stand together under one seed."""

import json
from collections.abc import Iterable

from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.conflicts import conflict, near_duplicates
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.constraints.satisfy import unmet
from ifrl_core.instructions.writers.record import FREE, Dropped
from ifrl_core.records import Constraint

_WORDS = (3, 60)  # of a constraint in a model's own words
_MOST_CHARACTERS = 400


def select(
    candidates: Iterable[Constraint], seed_text: str, config: InstructionsConfig
) -> tuple[list[Constraint], list[Dropped]]:
    """The first `max_constraints` candidates that go with the seed and with those before them, and the others with why.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
    """
    allowed = {type_.id for type_ in chosen_types(config.types or None)}
    kept: list[Constraint] = []
    dropped: list[Dropped] = []
    for candidate in candidates:
        reason = _unfit(candidate, seed_text, config, allowed) or _at_odds(candidate, kept, config)
        if reason is None and len(kept) == config.max_constraints:
            reason = "more than max_constraints"
        if reason is None:
            kept.append(candidate)
        else:
            dropped.append(Dropped(candidate.text, reason))
    return kept, dropped


def _unfit(candidate: Constraint, seed_text: str, config: InstructionsConfig, allowed: set[str]) -> str | None:
    """Why a constraint does not go with the seed, whatever the others are."""
    if near_duplicates(candidate.text, seed_text):
        return "repeats the request"
    if candidate.type == FREE:
        return _unreadable(candidate.text)
    type_ = CATALOG[candidate.type]
    if candidate.type not in allowed:
        return "type not among instructions.types"
    if type_.min_words > config.max_words or not type_.fits(seed_text):
        return "does not fit the request"
    if not _is_text(json.dumps(candidate.args, ensure_ascii=False)):
        return "not a readable text"
    return None


def _unreadable(text: str) -> str | None:
    words = text.split()
    if not _WORDS[0] <= len(words) <= _WORDS[1] or len(text) > _MOST_CHARACTERS:
        return f"not of {_WORDS[0]} to {_WORDS[1]} words"
    # Two words with letters at least: what is left of broken JSON is punctuation.
    if sum(any(c.isalpha() for c in word) for word in words) < 2 or not text.isprintable() or not _is_text(text):
        return "not a readable text"
    return None


def _is_text(text: str) -> bool:
    """Whether it can be stored: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _at_odds(candidate: Constraint, kept: list[Constraint], config: InstructionsConfig) -> str | None:
    """Why a constraint does not go with those kept."""
    if any(near_duplicates(candidate.text, other.text) for other in kept):
        return "near-duplicate"
    if any(conflict(candidate, other) for other in kept):
        return "conflict"
    if candidate.kind == "soft":
        return None
    return unmet([*kept, candidate], config.max_words)
