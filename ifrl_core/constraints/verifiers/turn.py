"""A response as the next turn of a conversation: what rules that look at the conversation are given.

A rule of that kind is a `TurnRule`, `check(turn, **arguments)`; the others are given a `View`, with or without conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

from ifrl_core.constraints.verifiers.rule import Check, Rule
from ifrl_core.constraints.verifiers.tool_calls import Calls, calls_in
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Conversation


class Turn(View):
    """A response and the conversation that it answers; `template` says how its model writes tool calls (calls_in)."""

    def __init__(self, text: str, conversation: Conversation, template: str = "") -> None:
        super().__init__(text)
        self.conversation, self._template = conversation, template

    @property
    def request(self) -> str:
        """The last user turn."""
        return self.conversation.request

    @cached_property
    def said(self) -> list[View]:
        """The assistant's turns so far."""
        return [View(text) for text in answers_of(self.conversation)]

    @cached_property
    def calls(self) -> Calls:
        """The tool calls of the response."""
        return calls_in(self.text, self._template, self.conversation.tools)


@dataclass(frozen=True)
class TurnRule(Rule):
    """A rule that looks at the conversation: `check(turn, **arguments)`, which a view of the response alone is refused to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "check", _on_turns(self.check))


def _on_turns(check: Check) -> Check:
    @wraps(check)
    def on_turns(view: View, **args: Any) -> bool:
        if not isinstance(view, Turn):
            raise ConstraintError(
                f"{check.__name__}: a rule on conversations is asked without one; only `ifrl check` and runs "
                "of seeds that are conversations have it"
            )
        return check(view, **args)

    return on_turns


def answers_of(conversation: Conversation) -> list[str]:
    """What the assistant said so far, turns of nothing but tool calls left out."""
    said = (message["content"] for message in conversation.history if message["role"] == "assistant")
    return [text for text in said if text and text.strip()]


def parameters_of(tools: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The JSON schemas of tools' arguments, by the name of the tool."""
    functions = [tool.get("function", tool) for tool in tools]
    return {
        str(function["name"]): dict(function.get("parameters") or {"type": "object", "properties": {}})
        for function in functions
    }
