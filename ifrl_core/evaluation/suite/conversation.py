"""Conversations of datasets in a form that every model can be asked: system once and first, then user and assistant in turn.

Chat templates differ in what they take: many refuse repeated roles, a system message in the middle, or roles of tools. So
that all models are asked the same, messages are put into the one form that all take, and what had to change is named:

- content in parts is the text of its parts; calls of tools are part of the assistant's text, as JSON
- what a tool returned, any other role, and a system message that is not the first is the user's
- system and assistant messages without content are left out; empty ones of the user stay
- neighbours of one role are one message, with a blank line between them
- what the assistant said last is left out: it is what the model is asked for
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.records import Message

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_CALLS = ("tool_calls", "function_call")


@dataclass(frozen=True)
class Conversation:
    """Messages that end with the user's, and what had to be changed in them."""

    messages: tuple[Message, ...]
    changed: tuple[str, ...]


def conversation(given: object, where: str) -> Conversation:
    """Messages (dicts with role and content), or the text of one, as models are asked them; `where` names file, row, field.

    Raises:
        InputError: when it is no list of messages, or none of the user's is last.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise InputError(f"{where} is {type(given).__name__}; expected a list of messages, each with role and content")
    changed: set[str] = set()
    messages: list[Message] = []
    for role, text in _in_order(given, changed):
        if messages and messages[-1]["role"] == role:
            changed.add("messages of one role merged")
            messages[-1] = {"role": role, "content": "\n\n".join(filter(None, (messages[-1]["content"], text)))}
        else:
            messages.append({"role": role, "content": text})
    while messages and messages[-1]["role"] == "assistant":
        changed.add("last message of the assistant left out")
        messages.pop()
    if not messages or messages[-1]["role"] != "user":
        raise InputError(f"{where} has no message of the user to answer")
    return Conversation(tuple(messages), tuple(sorted(changed)))


def _in_order(given: list[dict[str, Any]], changed: set[str]) -> Iterator[tuple[str, str]]:
    """Role and text of each message that stays."""
    begun = False
    for message in given:
        role, text = _role(message), _text(message, changed)
        if role is None or (role == "system" and begun):
            changed.add("messages of another role asked as the user's")
            role = "user"
        begun = begun or role != "system"
        if role != "user" and not text.strip():
            changed.add("empty messages left out")
        else:
            yield role, text


def _role(message: Mapping[str, Any]) -> str | None:
    return "assistant" if message.get("type") == "function_call" else _ROLES.get(str(message.get("role")).lower())


def _text(message: Mapping[str, Any], changed: set[str]) -> str:
    content = message.get("content", message.get("output"))
    parts = content if isinstance(content, list) else [content]
    given = [part.get("text") if isinstance(part, dict) else part for part in parts if part is not None]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        changed.add("parts that are no text left out")
    calls = [message[name] for name in _CALLS if message.get(name)]
    if message.get("type") == "function_call":
        calls.append({name: message[name] for name in ("name", "arguments") if name in message})
    called = [json.dumps(call, ensure_ascii=False) for call in calls]
    return "\n".join([*texts, *called])
