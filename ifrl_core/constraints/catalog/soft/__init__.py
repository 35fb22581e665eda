"""Soft types: only a reader can judge them, so none has a rule."""

from ifrl_core.constraints.catalog.soft import content, people, rhetoric, situation, thought, voice
from ifrl_core.constraints.types import ConstraintType

FAMILIES: tuple[tuple[ConstraintType, ...], ...] = (
    voice.TYPES,
    people.TYPES,
    content.TYPES,
    thought.TYPES,
    situation.TYPES,
    rhetoric.TYPES,
)
