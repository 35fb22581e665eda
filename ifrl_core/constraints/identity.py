"""What constraint types say and do, as the content of the stages that draw or judge by them.

A stage that judges is made anew when the rule of a type in use has changed, a user's own included; one that draws, when
anything that a type says, draws or needs as a witness has.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from ifrl_core.artifacts import canonical_json
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.constraints.sampling import catalog_digest, chosen_types
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.turns import rules_in, verdicts_in
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.constraints.verdict import strict_and_loose, verdicts
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.identity.code import digest_of_code
from ifrl_core.identity.fields import How

_SHOWN = 16  # digits of a digest
_LOOKED_UP = ("CATALOG", "load_extensions")  # in verdicts, by the id of the type


class Judging(StageConfig):
    """Of a stage that judges by rules: the types whose rules it may ask, which its content has by their code."""

    types: How[tuple[str, ...]] = ()  # ids or families; none: all of the catalog


def rules_of(config: Any) -> dict[str, str]:
    """Digests of the rules that a stage may ask, by type: of those that its config names under `types`, without it of all.

    Raises:
        ConstraintError: when `types` names a type that does not exist.
    """
    return _rules(chosen_types(getattr(config, "types", ()) or None))


def drawing_of(types: Sequence[str]) -> dict[str, str]:
    """Digests of what types say, draw and need, in all and by type; none named: of all types.

    Raises:
        ConstraintError: when `types` names a type that does not exist.
    """
    return {
        "catalog": catalog_digest(types or None),
        **{f"type {t.id}": _drawing(t) for t in chosen_types(types or None)},
    }


def judging(plan: type[StageConfig], section: StageConfig, recipe: PipelineConfig, **changed: Any) -> Any:
    """A section as the `plan` of its stage (a subclass of the section and of Judging), some fields `changed`."""
    fields = {name: getattr(section, name) for name in type(section).model_fields}
    return plan.model_validate({**fields, **changed, "types": recipe.instructions.types})


def _rules(types: Sequence[ConstraintType]) -> dict[str, str]:
    rules = {f"rule {t.id}": _rule(t.rule) for t in types if t.rule is not None}
    in_turns = {"in turns": _code(verdicts_in, rules_in)} if any(isinstance(t, TurnType) for t in types) else {}
    return {"verdict": _code(verdicts, strict_and_loose), **in_turns, **rules}


def _rule(rule: Rule) -> str:
    """Of its verifier and of what its arguments may be."""
    allowed = {name: argument.allowed for name, argument in rule.arguments.items()}
    code = _code(rule.check, *sorted({type(argument) for argument in rule.arguments.values()}, key=str))
    return digest_of_bytes(canonical_json([code, allowed]).encode())[:_SHOWN]


def _drawing(type_: ConstraintType) -> str:
    needs: list[Any] = [type_.draw, type_.fields, type_.fits, type_.excludes, type_.witness]
    if isinstance(type_, TurnType):
        needs.append(type_.needs)  # whether it is drawn at all
    if type_.witness is not None and type_.rule is not None:
        needs.append(type_.rule.check)  # it judges the witness
    return _code(*(function for function in needs if function is not None))


@cache
def _code(*functions: Any) -> str:
    return digest_of_code(*functions, leaving_out=_LOOKED_UP)[:_SHOWN]
