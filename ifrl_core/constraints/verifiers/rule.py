"""A rule: the verifier of one hard constraint type with the schema of its arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ifrl_core.constraints.verifiers.arguments import Argument, Choice
from ifrl_core.errors import ConstraintError

Check = Callable[..., bool]  # check(view, **arguments) -> is the constraint satisfied?

RELATION = Choice(("less than", "at least"))


def related(count: int, relation: str, threshold: int) -> bool:
    """IFEval's comparison: `less than` or `at least`."""
    return count < threshold if relation == "less than" else count >= threshold


def checked_arguments(type_id: str, schema: Mapping[str, Argument], args: Mapping[str, Any]) -> dict[str, Any]:
    """`args` in canonical form. Nulls count as absent (IFEval's files carry them for other types' arguments).

    Raises:
        ConstraintError: naming type, argument and what is allowed.
    """
    given = {name: value for name, value in args.items() if value is not None}
    for name in given:
        if name not in schema:
            names = ", ".join(schema) or "none"
            raise ConstraintError(f"{type_id}: unknown argument {name!r}; its arguments are: {names}")
    canonical = {}
    for name, argument in schema.items():
        if name not in given:
            raise ConstraintError(f"{type_id}: argument {name!r} is missing; expected {argument.allowed}")
        try:
            canonical[name] = argument.check(given[name])
        except (ValueError, TypeError):
            raise ConstraintError(
                f"{type_id}: argument {name!r} is {given[name]!r}; expected {argument.allowed}"
            ) from None
    return canonical


@dataclass(frozen=True)
class Rule:
    """A verifier `check(view, **arguments)` and the schema of those arguments, by their names."""

    check: Check
    arguments: Mapping[str, Argument] = field(default_factory=dict)
