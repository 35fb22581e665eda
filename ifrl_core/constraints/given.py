"""Hard constraints as rows of files name them, for `ifrl check` and for IFEval alike.

    {"instruction_id": "punctuation:no_comma", "kwargs": null}
    {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"num_words": null}]}

Arguments may be JSON text; null, an argument that is null, and no arguments at all are the same. Types of conversations are
judged in the row's: `messages` (with `tools`), else its `prompt` as the one turn.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.constraints.turns import rules_in
from ifrl_core.constraints.verdict import Rules, rule_of, validated
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.turn import TurnRule
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint, Conversation, messages_of

ID, IDS, KWARGS = "instruction_id", "instruction_id_list", "kwargs"
MESSAGES, TOOLS, PROMPT = "messages", "tools", "prompt"


class GivenError(Exception):
    """What is wrong with a field; whoever knows file and row says where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"field {field!r}: {problem}")
        self.field, self.problem = field, problem


def constraints_given(row: Mapping[str, Any], rules: Rules = rule_of) -> tuple[list[Constraint], bool]:
    """The constraints of a row, and whether they came as IFEval's lists.

    Raises:
        GivenError: for a missing or unusable value, an id that no rule has, or arguments that are not the type's.
    """
    if row.get(IDS) is not None and (row[IDS] != [] or row.get(ID) is None):
        ids = _parsed(IDS, row[IDS])
        if not isinstance(ids, list) or not ids:
            raise GivenError(IDS, f"{_kind(ids)}; expected a list of ids, at least one")
        kwargs = _parsed(KWARGS, row.get(KWARGS))
        if not isinstance(kwargs, list) or len(kwargs) != len(ids):
            found = f"{len(kwargs)} entries" if isinstance(kwargs, list) else _kind(kwargs)
            raise GivenError(KWARGS, f"{found}; expected a list as long as instruction_id_list ({len(ids)})")
        return _all(ids, kwargs, rules), True
    if row.get(ID) is None:
        raise GivenError(ID, "missing; a row needs instruction_id and kwargs, or IFEval's lists of them")
    return [_constraint(ID, KWARGS, row[ID], row.get(KWARGS), rules)], False


def rules_for(row: Mapping[str, Any], rules: Rules = rule_of) -> Rules:
    """`rules`, those of conversations bound to the row's, which is read when one of them is asked for.

    Raises (when called):
        GivenError: for a conversation that cannot be read.
    """

    def bound(type_id: str) -> Rule:
        rule = rules(type_id)
        return rules_in(conversation_given(row), rules)(type_id) if isinstance(rule, TurnRule) else rule

    return bound


def conversation_given(row: Mapping[str, Any]) -> Conversation | None:
    """What the response of a row answers: its messages up to the last user turn; None where it says nothing of it.

    Raises:
        GivenError: for messages or tools that are none.
    """
    if row.get(MESSAGES) is None:
        prompt = row.get(PROMPT)
        return Conversation(({"role": "user", "content": prompt},)) if isinstance(prompt, str) else None
    messages, tools = _parsed(MESSAGES, row[MESSAGES]), _parsed(TOOLS, row.get(TOOLS))
    if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
        raise GivenError(MESSAGES, "expected a list of messages, each with the texts 'role' and 'content'")
    if not messages or messages[-1]["role"] != "user":
        raise GivenError(MESSAGES, "expected the user's turn as the last message, which the response answers")
    first, *rest = messages_of({**message, "content": message["content"] or ""} for message in messages)
    if not isinstance(tools, list | None):
        raise GivenError(TOOLS, f"{_kind(tools)}; expected a list of tools")
    listed = {TOOLS: json.dumps(tools)} if tools is not None else {}
    conversation = Conversation(({**first, **listed}, *rest))
    if not all(map(_is_tool, conversation.tools)):
        raise GivenError(
            TOOLS, 'expected a list of tools, each {"type": "function", "function": {"name", "parameters"}}'
        )
    return conversation


def _is_message(message: Any) -> bool:
    """A message with a role and a text, which one that only calls tools need not have."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str) or "content" not in message:
        return False
    return isinstance(message["content"], str) or (message["content"] is None and bool(message.get("tool_calls")))


def _is_tool(tool: Any) -> bool:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return False
    return isinstance(function.get("parameters") or {}, dict)


def _all(ids: Sequence[Any], kwargs: Sequence[Any], rules: Rules) -> list[Constraint]:
    pairs = enumerate(zip(ids, kwargs, strict=True))
    return [_constraint(f"{IDS}[{place}]", f"{KWARGS}[{place}]", *pair, rules) for place, pair in pairs]


def _constraint(id_field: str, args_field: str, type_id: Any, kwargs: Any, rules: Rules) -> Constraint:
    if not isinstance(type_id, str):
        raise GivenError(id_field, f"{_kind(type_id)}; expected an id")
    args = _parsed(args_field, kwargs)
    if args is not None and not isinstance(args, dict):
        raise GivenError(args_field, f"{_kind(args)}; expected an object of arguments")
    args = {name: value for name, value in (args or {}).items() if value is not None}
    try:
        rules(type_id)
    except ConstraintError as error:
        raise GivenError(id_field, str(error)) from None
    try:
        validated(type_id, args, rules)
    except ConstraintError as error:
        raise GivenError(args_field, str(error)) from None
    return Constraint(type_id, "hard", "", args)


def _parsed(field: str, value: Any) -> Any:
    """A JSON value, given as text or already parsed."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise GivenError(field, f"not JSON ({error})") from None


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
