"""Conversations as chat templates and servers take them, tools included, and what a template cannot say said as text.

Many templates have no place for a system message, for tools, or for calls of them; some refuse them, some leave them out
without a word. So a template is tried once with marked texts (`takes_of`). What it does not take is asked all the same: the
system message at the head of the first user turn, tools in the system message, calls and results as text with the tags that
Qwen and Hermes are trained on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

Message = dict[str, Any]  # with `tool_calls` as they are called: a list, whose arguments are an object
_PLACE = "MARKEDTEXT"
_RESULT = "<tool_response>\n{}\n</tool_response>"
_OFFER = (
    "You can call these tools:\n<tools>\n{}\n</tools>\n"
    'To call one, write <tool_call>\n{{"name": NAME, "arguments": {{...}}}}\n</tool_call>'
)


@dataclass(frozen=True)
class Takes:
    """What a chat template renders: a system message, tools that are offered, and calls of them with their results."""

    system: bool
    tools: bool
    calls: bool


_of_tokenizer: WeakKeyDictionary[Any, Takes] = WeakKeyDictionary()


def chat_form(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Message], list[Any]]:
    """(messages, tools) out of stored messages (records.TURN). Calls have ids of nine characters, which Mistral's template
    asks for."""
    tools = json.loads(messages[0].get("tools") or "[]") if messages else []
    made: list[Message] = []
    ids: dict[str, str] = {}  # of the record -> of the form
    open_calls: list[str] = []
    count = 0
    for stored in messages:
        message = {name: value for name, value in stored.items() if name != "tools" and value is not None}
        if "tool_calls" in message:
            calls = json.loads(message["tool_calls"])
            for call in calls:
                count += 1
                own = f"call{count:05d}"
                ids[str(call.get("id", own))] = own
                open_calls.append(own)
                call["id"] = own
            message["tool_calls"] = calls
        if message["role"] == "tool":
            first = open_calls[0] if open_calls else ""
            own = ids.get(message.get("tool_call_id", ""), first)
            open_calls = [item for item in open_calls if item != own]
            message["tool_call_id"] = own
        made.append(message)
    return made, tools


def rendered(tokenizer: Any, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
    """Stored messages in the tokenizer's chat template, up to where the completion begins. Raises what the template does."""
    form, tools = chat_form(messages)
    if _is_more(form, tools):
        form, tools = _as_taken(form, tools, takes_of(tokenizer))
    given = {"tools": tools} if tools else {}
    return str(tokenizer.apply_chat_template(form, tokenize=False, add_generation_prompt=True, **given, **options))


def in_words(messages: Sequence[Mapping[str, Any]], *, system: bool = True) -> list[Message]:
    """Stored messages of role and content alone: tools and calls said as text, and without `system` its message too."""
    return _as_taken(*chat_form(messages), Takes(system=system, tools=False, calls=False))[0]


def _as_taken(form: list[Message], tools: list[Any], takes: Takes) -> tuple[list[Message], list[Any]]:
    """(messages, tools) of which a template takes everything."""
    form = form if takes.calls else _calls_as_text(form)
    if tools and not takes.tools:
        offered = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        form, tools = _with_system(form, _OFFER.format(offered)), []
    return (form if takes.system else _system_in_first_turn(form)), tools


def said_by(tokenizer: Any, text: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """A completion of a text and calls (of OpenAI's form) as the tokenizer's chat template has it, without what ends it."""
    if not takes_of(tokenizer).calls:
        return "\n".join([*([text] if text else []), *(_call_of(call["function"]) for call in calls)])
    user, reply = {"role": "user", "content": "x"}, {"role": "assistant", "content": text, "tool_calls": list(calls)}
    asked = str(tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True))
    said = str(tokenizer.apply_chat_template([user, reply], tokenize=False)).removeprefix(asked).rstrip()
    ends = [end for end in (tokenizer.eos_token, *tokenizer.all_special_tokens) if end and said.endswith(end)]
    return said.removesuffix(ends[0]).rstrip() if ends else said


def takes_of(tokenizer: Any) -> Takes:
    """What the tokenizer's chat template renders."""
    if tokenizer not in _of_tokenizer:
        user: Message = {"role": "user", "content": "x"}
        system = [{"role": "system", "content": _PLACE}, user]
        call = {
            "type": "function",
            "id": "call00001",
            "function": {"name": f"{_PLACE}1", "arguments": {"a": f"{_PLACE}2"}},
        }
        answer, result = (
            {"role": "assistant", "content": ""},
            {"role": "tool", "name": "x", "tool_call_id": "call00001"},
        )
        calls = [
            user,
            {**answer, "tool_calls": [call]},
            {**result, "content": f"{_PLACE}3"},
            {**answer, "content": "y"},
            user,
        ]
        tool = {"name": _PLACE, "description": "x", "parameters": {"type": "object", "properties": {}}}
        _of_tokenizer[tokenizer] = Takes(
            system=_shows(tokenizer, system, [_PLACE]),
            tools=_shows(tokenizer, [user], [_PLACE], tools=[{"type": "function", "function": tool}]),
            calls=_shows(tokenizer, calls, [f"{_PLACE}{number}" for number in (1, 2, 3)]),
        )
    return _of_tokenizer[tokenizer]


def _shows(tokenizer: Any, messages: Sequence[Message], texts: Sequence[str], **options: Any) -> bool:
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options))
    except Exception:  # a template refuses as it likes
        return False
    return all(item in text for item in texts)


def _is_more(messages: Sequence[Message], tools: Sequence[Any]) -> bool:
    """Whether anything but users and assistants speaking is in a conversation."""
    return bool(tools) or any(message["role"] in ("system", "tool") or "tool_calls" in message for message in messages)


def _calls_as_text(messages: Sequence[Message]) -> list[Message]:
    """Calls are said by the assistant, results by the user, those of one message together."""
    said: list[Message] = []
    for message in messages:
        text = message["content"]
        if message["role"] == "tool":
            text = _RESULT.format(text)
            if said and said[-1].get("results"):
                said[-1]["content"] += f"\n{text}"
                continue
            said.append({"role": "user", "content": text, "results": True})
            continue
        calls = [_call_of(call["function"]) for call in message.get("tool_calls", ())]
        said.append({"role": message["role"], "content": "\n".join([*([text] if text else []), *calls])})
    return [{"role": message["role"], "content": message["content"]} for message in said]


def call_as_text(name: str, arguments: str) -> str:
    """A call as text; both are JSON."""
    return f'<tool_call>\n{{"name": {name}, "arguments": {arguments}}}\n</tool_call>'


def _call_of(function: Mapping[str, Any]) -> str:
    return call_as_text(*(json.dumps(function[name], ensure_ascii=False) for name in ("name", "arguments")))


def _with_system(messages: Sequence[Message], text: str) -> list[Message]:
    """With `text` at the end of the system message."""
    first = messages[0]
    if first["role"] == "system":
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _system_in_first_turn(messages: Sequence[Message]) -> list[Message]:
    first, *others = messages
    if first["role"] != "system" or not others:
        return list(messages)
    return [{**others[0], "content": f"{first['content']}\n\n{others[0]['content']}"}, *others[1:]]
