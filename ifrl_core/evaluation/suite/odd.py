"""Odd rows of a benchmark, named so that nobody wonders at their answers: they are asked and graded as they stand."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ifrl_core.evaluation.suite.benchmark import Item

VERY_LONG = 16_000  # characters of all that is asked
SHOWN = 5
_CRITERIA = ("criteria", "constraints", "checklist", "scoring_questions", "questions")
_TEXT = ("text", "desc", "description", "content", "question", "criteria_description", "name")
Odd = list[dict[str, Any]]


def odd_rows(items: Sequence[Item]) -> Odd:
    """[{"what", "rows", "ids"}]: what is odd, in how many rows, and the ids of the first of them."""
    found: dict[str, list[str]] = {}
    for item in items:
        for what in dict.fromkeys(_oddities(item)):
            found.setdefault(what, []).append(item.id)
    return [{"what": what, "rows": len(ids), "ids": ids[:SHOWN]} for what, ids in found.items()]


def _oddities(item: Item) -> Iterator[str]:
    if not all(turn and turn[-1]["content"].strip() for turn in item.turns):
        yield "empty prompt"
    if any(first["role"] == second["role"] for turn in item.turns for first, second in pairwise(turn)):
        yield "two messages of one role in a row"
    if sum(len(message["content"]) for turn in item.turns for message in turn) > VERY_LONG:
        yield f"more than {VERY_LONG:,} characters"
    if any(_repeats(entries) for entries in _criteria(item.row)):
        yield "a criterion twice"
    yield from item.row.get("changed", ())  # in its messages (see conversation.py)


def _criteria(value: Any) -> Iterator[Sequence[Any]]:
    """The lists of criteria in a row, at any depth."""
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if name in _CRITERIA and isinstance(inner, list):
            yield inner
        for part in inner if isinstance(inner, list) else (inner,):
            yield from _criteria(part)


def _repeats(entries: Sequence[Any]) -> bool:
    texts = [text for entry in entries if (text := _text(entry))]
    return len(set(texts)) < len(texts)


def _text(entry: Any) -> str:
    """The words of a criterion, whatever it is held in; "" where it has none."""
    if isinstance(entry, Mapping):
        entry = next((entry[name] for name in _TEXT if entry.get(name)), "")
    if isinstance(entry, list):
        entry = entry[0] if entry else ""
    return " ".join(entry.split()) if isinstance(entry, str) else ""
