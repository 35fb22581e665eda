"""What of a config says *what* is made, and so enters a fingerprint. All else says where or how, and makes nothing new.

One rule for every field of every section: it enters as it is, unless its annotation carries an `Identity`:

    save_steps: How[int]                                                   never enters
    decay: Annotated[float, used(lambda c: c.aggregation == "ordered")]    enters where it is used
    grpo: Annotated[dict[str, Any], without(PLACING)]                      enters without some of its keys
    calls: str = Field("", exclude_if=...)                                 enters where it is stored
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel

T = TypeVar("T")
_NOTHING = object()


@dataclass(frozen=True)
class Identity:
    """`part(section, value)`: what of a field's value enters."""

    part: Callable[[Any, Any], Any]


HOW = Identity(lambda section, value: _NOTHING)
How = Annotated[T, HOW]


def used(when: Callable[[Any], bool]) -> Identity:
    """Of a field that means something only where `when(section)` holds."""
    return Identity(lambda section, value: value if when(section) else _NOTHING)


def without(names: Collection[str]) -> Identity:
    """Of a mapping some of whose keys say where or how."""
    return Identity(lambda section, value: {key: item for key, item in value.items() if key not in names})


def identity_of(section: BaseModel) -> dict[str, Any]:
    """What of a section's fields enters a fingerprint, by name; sections within it are left as they are."""
    entering = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if field.exclude_if is not None and field.exclude_if(value):  # what is not stored says nothing
            continue
        for mark in field.metadata:
            if isinstance(mark, Identity):
                value = mark.part(section, value)
        if value is not _NOTHING:
            entering[name] = value
    return entering
