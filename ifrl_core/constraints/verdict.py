"""Verdicts: is a constraint satisfied by a response, strictly and by IFEval's loose rule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.extension import load_extensions
from ifrl_core.constraints.verifiers.rule import Rule, checked_arguments
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint

Rules = Callable[[str], Rule]  # the rule of an id; raises ConstraintError when there is none


def rule_of(type_id: str) -> Rule:
    """The rule of a hard type.

    Raises:
        ConstraintError: when no rule has that id, with ids that look like it.
    """
    if type_id not in CATALOG:
        load_extensions()  # any process may meet a type of a user's package first here
    type_ = CATALOG.get(type_id)
    if type_ is None or type_.rule is None:
        hard = [id for id, other in CATALOG.items() if other.rule is not None]
        near = ", ".join(map(repr, get_close_matches(type_id, hard, n=3)))
        why = f"{type_id!r} is soft: no rule decides it" if type_ is not None else f"no verifier has the id {type_id!r}"
        raise ConstraintError(f"{why}{near and f'; nearest: {near}'}; `ifrl constraints --kind hard` lists them")
    return type_.rule


def validated(type_id: str, args: Mapping[str, Any], rules: Rules = rule_of) -> dict[str, Any]:
    """The canonical arguments of a hard type.

    Raises:
        ConstraintError: naming the type, the argument and the allowed values.
    """
    return checked_arguments(type_id, rules(type_id).arguments, args)


def verify(type: str, args: Mapping[str, Any], view: View, rules: Rules = rule_of) -> bool:
    """Does the text satisfy the constraint? An answer of nothing but whitespace satisfies none, as in IFEval.

    Raises:
        ConstraintError: for an unknown type or bad arguments; never because of the text.
    """
    args = validated(type, args, rules)
    return bool(view.stripped) and rules(type).check(view, **args)


def loose_views(response: str) -> Iterator[View]:
    """IFEval's eight variants of a response: first line, last line or both removed, each with and without `*`.

    Variants that are blank or equal to an earlier one are left out: they cannot change a verdict.
    """
    lines = response.split("\n")
    trimmed = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    seen = set()
    for variant in trimmed:
        for text in (variant, variant.replace("*", "")) if "*" in variant else (variant,):
            if text not in seen and text.strip():
                seen.add(text)
                yield View(text)


class LooseViews:
    """The loose variants of a response, made when first asked for and shared by its constraints."""

    def __init__(self, view: View) -> None:
        self._first = view
        self._views: list[View] | None = None

    def __iter__(self) -> Iterator[View]:
        if self._views is None:
            # The first variant is the response itself, whose view already exists.
            self._views = [self._first, *list(loose_views(self._first.text))[1:]] if self._first.stripped else []
        return iter(self._views)


def strict_and_loose(
    constraints: Sequence[Constraint], response: str, rules: Rules = rule_of
) -> tuple[list[bool], list[bool]]:
    """Strict and loose verdicts of hard constraints, in their order. One view per variant serves all of them.

    Raises:
        ConstraintError: for a soft or unknown type, or bad arguments.
    """
    view = View(response)
    loose_of = LooseViews(view)
    strict: list[bool] = []
    loose: list[bool] = []
    for constraint in constraints:
        check, args = rules(constraint.type).check, validated(constraint.type, constraint.args, rules)
        satisfied = bool(view.stripped) and check(view, **args)
        strict.append(satisfied)
        loose.append(satisfied or any(check(variant, **args) for variant in loose_of))
    return strict, loose


def verdicts(constraints: Sequence[Constraint], response: str, rules: Rules = rule_of) -> list[bool | None]:
    """Strict verdicts in the order of the constraints; None for a soft one, which no rule decides.

    Raises:
        ConstraintError: for an unknown hard type or bad arguments.
    """
    view = View(response)
    return [verify(c.type, c.args, view, rules) if c.kind == "hard" else None for c in constraints]
