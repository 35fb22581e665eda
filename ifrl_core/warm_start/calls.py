"""Tool calls that meet the constraints of a prompt, built by rules: the witness says which, what the user said with what."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ifrl_core.constraints.satisfy import draft_of
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.constraints.verifiers.tool_calls import ToolCall, calls_in
from ifrl_core.constraints.verifiers.turn import parameters_of
from ifrl_core.records import Constraint, Conversation
from ifrl_core.warm_start.values import Said

AsSaid = Callable[[str, Sequence[ToolCall]], str]  # of a text and calls behind it: as the model would write them
_ANNOUNCED = "I will look that up for you."


def calling(constraints: Sequence[Constraint], asked: Conversation, as_said: AsSaid, template: str) -> str | None:
    """An answer of tool calls that meets the hard constraints, with a sentence before them where they ask for one; None
    where they ask for no call, or none was found. `template`: how the model writes calls (Reasoning.calls)."""
    filled = [_filled(call, asked) for call in _demanded(constraints, asked)]
    made = [call for call in filled if call is not None]
    for text in ("", _ANNOUNCED):
        answer = as_said(text, made) if made and None not in filled else ""
        if answer and False not in verdicts_in(asked, constraints, answer, template):
            return answer
    return None


def _demanded(constraints: Sequence[Constraint], asked: Conversation) -> list[ToolCall]:
    """The calls of a witness."""
    draft = draft_of(constraints, asked)
    return [call for item in draft.items for call in calls_in(item.content or "").calls] if draft is not None else []


def _filled(call: ToolCall, asked: Conversation) -> ToolCall | None:
    """The call with values of what was said in the place of the witness's; None where an argument finds none."""
    properties = parameters_of(asked.tools).get(call.name, {}).get("properties") or {}
    said = Said(asked)
    values = {name: said.value(name, properties.get(name)) for name in call.arguments}
    return None if None in values.values() else ToolCall(call.name, values)


def call_writer(tokenizer: Any) -> AsSaid:
    """How the tokenizer's chat template writes calls; in the usual form where it has no place for them."""
    from ifrl_core.models.chat_form import said_by

    def write(text: str, calls: Sequence[ToolCall]) -> str:
        return said_by(tokenizer, text, [_record(call.name, call.arguments) for call in calls])

    return write


def _record(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": json.loads(json.dumps(arguments))}}
