"""Values for the arguments of a tool call, out of what the user said: names and quotes, numbers, options, earlier results."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.conversation_rules import CODE, NUMBER, fits_schema, long_words
from ifrl_core.constraints.verifiers.words import whole_word
from ifrl_core.records import Conversation

_QUOTED = re.compile(r'["“„]([^"“”„]+)["”“]')
_CAPITAL = r"[A-ZÀ-Þ][\w-]+"
_NAME = re.compile(  # words in capitals: several, or one inside a sentence
    rf"\b{_CAPITAL}(?: (?:(?:of|de|du|the) )?{_CAPITAL})+|(?<![.!?:]\s)(?<!^)\b{_CAPITAL}"
)
_NO = re.compile(r"\b(?:no|not|off|out|never|without|stop|cannot|\w+n't)\b", re.IGNORECASE)


class Said:
    """What a conversation has to say, each name, number and word once."""

    def __init__(self, conversation: Conversation) -> None:
        self.request = conversation.request
        texts = (found for pattern in (_QUOTED, CODE, _NAME) for found in pattern.findall(self.request))
        self._texts = list(dict.fromkeys(texts))
        self._numbers = NUMBER.findall(self.request)
        self._words = long_words(self.request)
        self._known = dict(_known(conversation))

    def value(self, name: str, schema: Any) -> Any:
        """A value for the argument `name` of a JSON schema; None where nothing that was said is one."""
        schema = schema if isinstance(schema, Mapping) else {}
        kind = schema.get("type", "string")
        for found in self._candidates(name, schema, kind[0] if isinstance(kind, list) else kind):
            if fits_schema(found, dict(schema)):
                return found
        return None

    def _candidates(self, name: str, schema: Mapping[str, Any], kind: str) -> Iterator[Any]:
        if schema.get("enum"):
            request = self.request.lower()
            yield from (option for option in schema["enum"] if whole_word(str(option).lower()).search(request))
            yield schema["enum"][0]
        elif kind == "boolean":
            yield _NO.search(self.request) is None
        elif kind in ("integer", "number"):
            yield from map(int, _taken(self._numbers))
            yield from self._earlier(name)
        elif kind == "array":
            item = self.value(name, schema.get("items"))
            yield [] if item is None else [item]
        elif kind == "object":
            properties = schema.get("properties") or {}
            yield {inner: self.value(inner, properties.get(inner)) for inner in schema.get("required") or properties}
        else:
            yield from _taken(self._texts)
            yield from self._earlier(name)
            yield from _taken(self._words)

    def _earlier(self, name: str) -> Iterator[Any]:
        """What an argument or a result of that name was."""
        if name in self._known:
            yield self._known[name]


def _taken(texts: list[str]) -> Iterator[str]:
    """The first of those that are left."""
    if texts:
        yield texts.pop(0)


def _known(conversation: Conversation) -> Iterator[tuple[str, Any]]:
    """(name, value) of the fields that tools were called with or answered, later ones last."""
    for message in conversation.history:
        for call in json.loads(message.get("tool_calls") or "[]"):
            arguments = call["function"]["arguments"]
            yield from _fields(arguments if isinstance(arguments, str) else json.dumps(arguments))
        if message["role"] == "tool":
            yield from _fields(message["content"])


def _fields(text: str) -> Iterator[tuple[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    for record in found if isinstance(found, list) else [found]:
        if isinstance(record, dict):
            yield from record.items()
