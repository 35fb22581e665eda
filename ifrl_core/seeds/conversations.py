"""Conversations in the forms that files hold them, as messages that end with a user's turn (records.TURN).

OpenAI's messages (role, content, tool_calls), ShareGPT's (from, value; function_call, observation, Hermes' tags), and lists
of texts that take turns (UltraChat). What the assistant says after the last user turn is an answer: it is left out, and
counted. Nothing else is: what no chat template could render as it stands is refused, naming the message.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifrl_core.records import Message

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "chatbot", "bot", "model", "ai", "bing", "bard", "claude"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "function_response"), "tool"),
    "function_call": "call",  # ShareGPT's, of the assistant
}  # fmt: skip
_SPEAKER, _SAID = ("role", "from", "speaker"), ("content", "value", "text")
_NO_TEXT = ("image", "audio", "video", "file", "attachment")  # in names of what a message may hold beside its text
_NEXT = {  # who speaks after whom; a call is an assistant's message with calls
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant", "call"),
    "assistant": ("user",),
    "call": ("tool",),
    "tool": ("tool", "assistant", "call"),
}
_CALL = re.compile(r"<tool_call>((?:(?!<tool_call>).)*?)</tool_call>", re.DOTALL)  # Hermes
_RESULT = ("<tool_response>", "</tool_response>")  # around a result, as Hermes has it
_NAMES = {"call": "a call of tools", "tool": "a tool's result"}


class UnusableError(ValueError):
    """Why a record is no seed: which part, what was found, what was expected."""


@dataclass(frozen=True)
class Dialog:
    """Messages up to the last user turn, and how many of the assistant's came after it."""

    messages: tuple[Message, ...]
    left_out: int


def dialog_of(turns: Sequence[Any], where: str, *, system: str = "", tools: Any = None) -> Dialog:
    """The conversation of a field `where`, with what its record says of `system` and `tools` beside it.

    Raises:
        UnusableError: when a message cannot be read, or nobody could be asked them in this order.
    """
    said = [_message(turn, number, where) for number, turn in enumerate(turns, 1)]
    said = [message for message in said if message["role"] != "system" or message["content"].strip()]
    last = max((place for place, message in enumerate(said) if message["role"] == "user"), default=-1)
    if last < 0:
        raise UnusableError(f"{where} has no message of the user; expected one to answer")
    asked, after = said[: last + 1], said[last + 1 :]
    if system.strip():
        if asked[0]["role"] == "system" and asked[0]["content"].strip() != system.strip():
            raise UnusableError(
                f"{where} begins with another system message than the record has beside it; expected one"
            )
        asked = [{"role": "system", "content": system}, *asked[asked[0]["role"] == "system" :]]
    _check_order(asked, where)
    if offered := tools_of(tools):
        asked[0] = {**asked[0], "tools": json.dumps(offered, ensure_ascii=False)}
    answers = sum(message["role"] == "assistant" and bool(message["content"].strip() or "tool_calls" in message)
                  for message in after)  # fmt: skip
    return Dialog(tuple(asked), answers)


def is_turns(value: Any) -> bool:
    """Whether a value is a list of messages."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
        and any(item.get(name) for item in value for name in _SPEAKER)
    )


def tools_of(value: Any) -> list[dict[str, Any]]:
    """Schemas of tools, or the JSON text of them, in OpenAI's form; [] of nothing.

    Raises:
        UnusableError: when one is no function with a name and a JSON schema of its parameters.
    """
    given = _parsed(value, "tools")
    if not given:
        return []
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list | tuple):
        raise UnusableError(f"tools is {type(given).__name__}; expected a list of schemas")
    tools = [_tool(item, number) for number, item in enumerate(given, 1)]
    names = [tool["function"]["name"] for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UnusableError(f"tools has {twice!r} twice; expected names of their own")
    return tools


def _tool(item: Any, number: int) -> dict[str, Any]:
    function = _parsed(item.get("function", item), "tool") if isinstance(item, Mapping) else item
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"].strip():
        raise UnusableError(f"tool {number} has no name; expected {{'name', 'description', 'parameters'}}")
    parameters = _parsed(function.get("parameters"), "parameters") or {"type": "object", "properties": {}}
    if fault := _fault_of_schema(parameters):
        raise UnusableError(f"parameters of tool {function['name']!r} are no JSON schema of an object ({fault})")
    described = {"description": function["description"]} if function.get("description") else {}
    return {"type": "function", "function": {"name": function["name"], **described, "parameters": _whole(parameters)}}


def _fault_of_schema(schema: Any) -> str:
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(schema, Mapping):
        return f"found {type(schema).__name__}"
    if schema.get("type") != "object":
        return f"its type is {schema.get('type')!r}"
    try:
        Draft202012Validator.check_schema(_whole(schema), format_checker=None)  # no regular expression of it is run
    except SchemaError as error:
        return " ".join(str(error.message).split())[:120]
    return ""


def _message(turn: Any, number: int, where: str) -> Message:
    """A message as it is stored; the speaker of texts that take turns goes by their number."""
    named = f"{where} message {number}"
    if isinstance(turn, str):
        turn = {"role": "user" if number % 2 else "assistant", "content": turn}
    if not isinstance(turn, Mapping):
        raise UnusableError(f"{named} is {type(turn).__name__}; expected an object with role and content")
    speaker = next((turn[name] for name in _SPEAKER if turn.get(name)), None)
    role = ROLES.get(str(speaker).lower())
    if role is None:
        raise UnusableError(f"{named} is of {speaker!r}; expected one of system, user, assistant, tool")
    _check_whole(turn, role, named)
    text = _text(next((turn[name] for name in _SAID if turn.get(name) is not None), None), named)
    if role == "call":
        return {"role": "assistant", "content": "", "tool_calls": _calls(text, named)}
    message = {"role": role, "content": text}
    if role == "assistant":
        calls = turn.get("tool_calls") or turn.get("function_call")
        message |= {"tool_calls": _calls(calls, named)} if calls else _tagged(text, named)
    if role == "tool":
        begin, end = _RESULT
        inner = text.strip()
        framed = inner.startswith(begin) and inner.endswith(end)
        message["content"] = inner.removeprefix(begin).removesuffix(end).strip() if framed else text
        message |= {name: str(turn[name]) for name in ("tool_call_id", "name") if turn.get(name)}
    return message


def _check_whole(turn: Mapping[str, Any], role: str, named: str) -> None:
    """Refuse a message of which something would be lost: fields that differ, pictures, calls that are not the assistant's."""
    texts = {turn[name].strip() for name in _SAID if isinstance(turn.get(name), str) and turn[name].strip()}
    if len(texts) > 1:
        raise UnusableError(f"{named} has several texts ({', '.join(_SAID)}) that differ; expected one")
    roles = {ROLES[str(turn[name]).lower()] for name in _SPEAKER if str(turn.get(name)).lower() in ROLES}
    if len(roles) > 1:
        raise UnusableError(f"{named} is of several speakers ({', '.join(sorted(roles))}); expected one")
    if lost := next((name for name in turn if turn[name] and _is_no_text(name)), ""):
        raise UnusableError(f"{named} has {lost!r} beside its text; expected text alone")
    if role not in ("assistant", "call") and (turn.get("tool_calls") or turn.get("function_call")):
        raise UnusableError(f"{named} calls tools and is {_name(role)}; expected calls of the assistant alone")


def _is_no_text(name: str) -> bool:
    return name.lower().removesuffix("_url").removesuffix("s") in _NO_TEXT


def _tagged(text: str, named: str) -> Message:
    """Calls that stand in the text between tags, as Hermes has them, and the text without; nothing where there are none."""
    bodies = _CALL.findall(text)
    if not bodies:
        return {}
    calls = [_parsed(body, f"{named}: its call of tools") for body in bodies]
    return {"content": _CALL.sub("", text).strip(), "tool_calls": _calls(calls, named)}


def _text(content: Any, named: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise UnusableError(f"{named} holds {type(content).__name__}; expected a text")
    return "\n".join(_part(part, named) for part in content)


def _part(part: Any, named: str) -> str:
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        held = (str(name).removeprefix("input_") for name in (part.get("type"), *filter(part.get, part)))
        if not any(map(_is_no_text, held)):
            return str(part["text"])
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise UnusableError(f"{named} holds a part of type {kind!r}; expected text alone")


def _calls(given: Any, named: str) -> str:
    """JSON of the calls of a message."""
    calls = _parsed(given, f"{named}: its call of tools")
    calls = [calls] if isinstance(calls, Mapping) else calls
    if not isinstance(calls, list | tuple) or not calls:
        raise UnusableError(f"{named} calls tools by {type(calls).__name__}; expected {{'name', 'arguments'}}")
    return json.dumps([_call(call, named) for call in calls], ensure_ascii=False)


def _call(call: Any, named: str) -> dict[str, Any]:
    function = (call.get("function") or call) if isinstance(call, Mapping) else {}
    function = function if isinstance(function, Mapping) else {}
    arguments = _parsed(
        function.get("arguments") or function.get("parameters") or {}, f"{named}: arguments of its call"
    )
    if not isinstance(function.get("name"), str) or not isinstance(arguments, Mapping):
        raise UnusableError(f"{named} calls a tool without name or arguments; expected {{'name', 'arguments'}}")
    known = {"id": str(call["id"])} if call.get("id") else {}
    return {"type": "function", **known, "function": {"name": function["name"], "arguments": _whole(arguments)}}


def _check_order(messages: Sequence[Message], where: str) -> None:
    before = ""
    for number, message in enumerate(messages, 1):
        role = "call" if "tool_calls" in message else message["role"]
        if role not in _NEXT[before]:
            after = f"after {_name(before)}" if before else "at the beginning"
            expected = " or ".join(map(_name, _NEXT[before]))
            raise UnusableError(f"{where}: message {number} is {_name(role)}, {after}; expected {expected}")
        if role in ("user", "assistant") and not message["content"].strip():
            raise UnusableError(f"{where}: message {number}, of the {role}, is empty; expected a text")
        before = role


def _name(role: str) -> str:
    return _NAMES.get(role) or f"the {role}'s"


def _parsed(value: Any, what: str) -> Any:
    """A value that may be the JSON text of it."""
    if not isinstance(value, str) or not value.strip():
        return None if isinstance(value, str) else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{what} is not valid JSON ({error})") from error


def _whole(value: Any) -> Any:
    """A JSON value without the nulls that Parquet puts where rows differ."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items() if item is not None}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value


def texts_in(messages: Sequence[Message]) -> Iterator[str]:
    """All that a conversation says, JSON of tools and calls included."""
    for message in messages:
        yield from (text for name, text in message.items() if name != "role")
