"""Verdicts with the conversation that is answered beside the response: what every stage and command judges by.

Rules that look at no conversation say what they say without one (`verdict`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType, lacking
from ifrl_core.constraints.verdict import Rules, rule_of, verdicts
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.turn import Turn, TurnRule
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint, Conversation


def verdicts_in(
    conversation: Conversation | None,
    constraints: Sequence[Constraint],
    response: str,
    template: str = "",
) -> list[bool | None]:
    """Strict verdicts in the order of the constraints; None for a soft one, which no rule decides.

    `conversation` is the one that is answered, without constraints (`records.conversation_of` of a seed or an instruction);
    none where it is not known, which is no matter to plain types. `template` says how the model that responds writes tool
    calls (`Reasoning.calls`); empty: in the usual form.

    Raises:
        ConstraintError: for an unknown hard type, bad arguments, or a type that needs a conversation with more in it.
    """
    return verdicts(constraints, response, rules_in(conversation, template=template))


def has_what_it_needs(type_id: str, conversation: Conversation) -> bool:
    """Whether a conversation has what a type is about; plain types are about no conversation."""
    type_ = CATALOG.get(type_id)
    return not isinstance(type_, TurnType) or type_.needs(conversation)


def rules_in(conversation: Conversation | None, rules: Rules = rule_of, template: str = "") -> Rules:
    """`rules`, those of them that look at a conversation as rules on the response in this one."""

    def bound(type_id: str) -> Rule:
        rule = rules(type_id)
        if not isinstance(rule, TurnRule):
            return rule
        type_ = CATALOG[type_id]
        if conversation is None or (isinstance(type_, TurnType) and not type_.needs(conversation)):
            raise ConstraintError(f"{type_id} cannot be judged: {lacking(type_, conversation)}")
        return Rule(partial(_as_turn, rule, conversation, template), rule.arguments)

    return bound


def _as_turn(rule: Rule, conversation: Conversation, template: str, view: View, **args: Any) -> bool:
    return rule.check(Turn(view.text, conversation, template), **args)
