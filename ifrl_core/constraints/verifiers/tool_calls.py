"""Tool calls in a response: parsed, never executed.

By the response template of the model where its tokenizer has one (transformers' own parsing), else in the usual form, a JSON
object or a list of them between tags, of names that differ. What stands outside of calls is the text.

    Let me look. <tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifrl_core.constraints.verifiers.strict_json import strict_json

OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class ToolCall:
    """A call: the tool's name and its arguments by name."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Calls:
    """What a response calls, in order. `broken`: calls begun that cannot be read; `before`: the text up to the first call,
    all of it where there is none."""

    calls: tuple[ToolCall, ...]
    broken: int
    before: str

    @property
    def none(self) -> bool:
        return not self.calls and not self.broken


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """A call in the usual form, on one line."""
    return f"{OPEN}{json.dumps({'name': name, 'arguments': dict(arguments)}, ensure_ascii=False)}{CLOSE}"


def calls_in(text: str, template: str = "", tools: Sequence[Mapping[str, Any]] = ()) -> Calls:
    """The calls of a response. `template`: the response template of the model's tokenizer as JSON, none where it is empty;
    by it, `tools` cast the arguments. A model that was offered tools in words may answer in the usual form all the same.

    Never raises, whatever the text holds; takes time linear in its length.
    """
    found = _by_template(text, template, tools) if template else None
    return _usual(text) if found is None or (found.none and OPEN in text) else found


def _usual(text: str) -> Calls:
    calls: list[ToolCall] = []
    broken = 0
    for body in _bodies(text):
        found = _calls_of(body)
        broken += found is None
        calls += found or ()
    return Calls(tuple(calls), broken, text.partition(OPEN)[0])


def _bodies(text: str) -> Iterator[str]:
    """What stands between the tags; of tags that are not closed, up to the next one or the end."""
    for part in text.split(OPEN)[1:]:
        yield part.partition(CLOSE)[0]


def _calls_of(body: str) -> list[ToolCall] | None:
    """The calls of a body of JSON; None when it is not that of any."""
    try:
        found = strict_json(body)
    except (ValueError, RecursionError):
        return None
    calls = [_call(item) for item in (found if isinstance(found, list) else [found])]
    return [call for call in calls if call is not None] if calls and None not in calls else None


def _call(found: Any) -> ToolCall | None:
    """Of {"name", "arguments"}, JSON text or not, or called parameters; not of both. Also within "function"."""
    if isinstance(found, dict) and isinstance(found.get("function"), dict):
        found = found["function"]
    if not isinstance(found, dict) or not isinstance(found.get("name"), str) or not found["name"]:
        return None
    if "arguments" in found and "parameters" in found:
        return None
    arguments = found.get("arguments", found.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = strict_json(arguments)
        except (ValueError, RecursionError):
            return None
    return ToolCall(found["name"], arguments) if isinstance(arguments, dict) else None


def _by_template(text: str, template: str, tools: Sequence[Mapping[str, Any]]) -> Calls:
    from transformers.utils.chat_parsing import parse_response

    form = json.loads(template)  # of the model: one that cannot be read is no fault of the text
    try:
        message = parse_response(text, form, prefix="", tools=[dict(tool) for tool in tools])
    except Exception:  # the parser raises errors of many kinds on texts that are none of its form
        return Calls((), 1, text)
    made = [_call(item) for item in message.get("tool_calls") or ()]
    calls = tuple(call for call in made if call is not None)
    return Calls(calls, len(made) - len(calls), str(message.get("content") or ""))
