"""Constraint types of a user's own package: a decorator, and an entry point group through which they are found.

See docs/extending.md for a worked example.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.types import ConstraintType, hard
from ifrl_core.constraints.verifiers.arguments import Argument
from ifrl_core.constraints.verifiers.rule import Check, Rule
from ifrl_core.errors import ConstraintError

ENTRY_POINT_GROUP = "ifrl.constraints"
_log = logging.getLogger(__name__)


def register(type_: ConstraintType) -> ConstraintType:
    """Add a type to the catalog.

    Raises:
        ConstraintError: when the id is taken, has no `family:name` form, or the type is inconsistent.
    """
    if ":" not in type_.id:
        raise ConstraintError(f"{type_.id!r}: the id of a constraint type has the form family:name")
    if type_.id in CATALOG:
        raise ConstraintError(f"{type_.id!r}: a constraint type with this id exists already; choose another id")
    if not type_.wordings:
        raise ConstraintError(f"{type_.id!r}: a constraint type needs at least one wording")
    if (type_.kind == "hard") != (type_.rule is not None):
        raise ConstraintError(f"{type_.id!r}: a hard type has a rule, and a soft one has none")
    CATALOG[type_.id] = type_
    return type_


def constraint_type(
    id: str,
    *,
    description: str,
    wordings: tuple[str, ...],
    arguments: Mapping[str, Argument] | None = None,
    **rest: Any,
) -> Callable[[Check], Check]:
    """Make a hard type of the decorated verifier `check(view, **arguments) -> bool`, and register it.

    `rest` takes the further fields of `ConstraintType`: draw, fields, slots, excludes, min_words, fits, witness.
    """

    def decorate(check: Check) -> Check:
        register(hard(id, description, Rule(check, arguments or {}), wordings, **rest))
        return check

    return decorate


def all_types() -> list[ConstraintType]:
    """All of the catalog, types of installed packages and of conversations included."""
    load_extensions()
    return list(CATALOG.values())


@cache
def load_extensions() -> tuple[str, ...]:
    """Import every module that installed packages name under the entry point group `ifrl.constraints`, once.

    Returns the ids of the types they added. A package that cannot be imported is an error, because constraints that
    silently vanish would change what is trained on.

    Raises:
        ConstraintError: naming the package and what went wrong.
    """
    before = set(CATALOG)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # code of others, which may raise anything while it is imported
            raise ConstraintError(
                f"entry point {point.name!r} ({point.value}) of {ENTRY_POINT_GROUP}: {type(error).__name__}: {error}"
            ) from error
        for type_ in [loaded] if isinstance(loaded, ConstraintType) else []:
            register(type_)
        _log.info("constraint types of %s loaded", point.value)
    return tuple(sorted(set(CATALOG) - before))
