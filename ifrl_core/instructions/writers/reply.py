"""Reading a model's reply: five constraints as JSON, possibly broken, fenced, or behind reasoning.

    {"c1": "Use no commas.", "c2": {"text": "...", "type": "punctuation:no_comma", "args": {}}, ...}

A reply is untrusted text: whatever it holds, reading it never raises.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import json_repair

from ifrl_core.text.reasoning import THINK, Reasoning, answer_of

KEYS = ("c1", "c2", "c3", "c4", "c5")
_ONE = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "type": {"type": "string"}, "args": {"type": "object"}},
    "required": ["text", "type", "args"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys(KEYS, _ONE),
    "required": list(KEYS),
    "additionalProperties": False,
}

_MOST_CHARACTERS = 20_000
_FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|\Z)", re.DOTALL)
_TEXT_FIELDS = ("text", "constraint")


@dataclass(frozen=True)
class Proposal:
    """A constraint as the model gave it: its wording, and a type with arguments when it named one."""

    text: str
    type: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)


def read_reply(reply: str, reasoning: Reasoning = THINK, *, truncated: bool = False) -> list[Proposal]:
    """The constraints of a reply, at most five, in order; empty when it holds none that can be read.

    Of a reply that broke off (`truncated`) the last constraint is left out unless the JSON was complete, for it may be
    half a sentence.
    """
    answer = answer_of(reply, reasoning)
    fenced = _FENCE.search(answer)
    text = (fenced.group(1) if fenced else answer).strip()[:_MOST_CHARACTERS]
    start = min((place for place in (text.find("{"), text.find("[")) if place >= 0), default=-1)
    if start < 0:
        return []
    document, whole = _loads(text[start:])
    proposals = [proposal for item in _items(document) if (proposal := _proposal(item))]
    if truncated and not whole:
        proposals = proposals[:-1]
    return proposals[: len(KEYS)]


def _loads(text: str) -> tuple[Any, bool]:
    """The first JSON value of a text, repaired when need be, and whether it stood there whole."""
    try:
        return json.JSONDecoder().raw_decode(text)[0], True
    except (ValueError, RecursionError):
        pass
    try:
        return json_repair.loads(text), False
    except (ValueError, RecursionError):
        return None, False


def _items(document: Any) -> list[Any]:
    """The constraints of a reply in any of the shapes that models give them."""
    if isinstance(document, list):
        # A repaired reply may hold its object among stray values.
        objects = [item for item in document if isinstance(item, dict) and any(key in item for key in KEYS)]
        return _items(objects[0]) if objects else document
    if not isinstance(document, dict):
        return []
    keyed = [document[key] for key in KEYS if key in document]
    if keyed:
        return keyed
    listed = document.get("constraints")
    return _items(listed) if isinstance(listed, list | dict) else []


def _proposal(item: Any) -> Proposal | None:
    if isinstance(item, str):
        return Proposal(item) if item.strip() else None
    if not isinstance(item, dict):
        return None
    text = next((item[name] for name in _TEXT_FIELDS if isinstance(item.get(name), str)), "")
    type_, args = item.get("type"), item.get("args")
    type_ = type_.strip() if isinstance(type_, str) else ""
    if not text.strip() and not type_:
        return None
    return Proposal(text, type_, args if isinstance(args, dict) else {})
