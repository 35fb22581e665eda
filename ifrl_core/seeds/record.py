"""What of a record is its seed, and what of its task the seed alone would lose.

The seed is the first of FIELDS that holds text; what is refused is named.

    {"instruction": "Name a fruit.", "input": ""}             -> "Name a fruit."
    {"seed": 42, "instruction": "Name a fruit."}              -> "Name a fruit."
    {"instruction": "Summarise it.", "input": "The tide …"}   -> refused: 'input' says more than 'instruction'
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

FIELDS = ("seed", "instruction", "prompt", "text")  # the first one that holds text is the seed
# Fields, in any case, that other files keep a part of the task in: Alpaca, Dolly, OpenOrca, reading, tool and choice sets.
CONTEXT = ("input", "inputs", "context", "system", "system_prompt", "history", "passage", "document", "article", "choices",
           "options", "tools", "functions", "image", "images")  # fmt: skip
CONVERSATIONS = ("conversations", "conversation", "messages", "turns", "dialog", "dialogue", "chat")
# Who speaks, at the beginning of a line or behind ###: whoever asks in the first group, whoever answers in the second.
_TURN = re.compile(
    r"(?:^(?:<\|)?|#{2,} *)(?:(human|user|instruction|prompter)|(assistant|response|gpt|bot|chatbot))(?: *:|\|>)",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWERERS = frozenset("assistant gpt chatgpt bot model ai bing bard claude tool function".split())  # noqa: SIM905
_NOTHING = frozenset(("", "<noinput>", "nan", "none", "null", "n/a"))  # ways in which files say that there is no input


def is_read(name: str) -> bool:
    """Whether a field is looked at at all."""
    return name in FIELDS or name.lower() in (*CONTEXT, *CONVERSATIONS)


def seed_of(record: Mapping[str, Any]) -> tuple[Any, str, str]:
    """(value, its field, problem) of a record: the first of FIELDS that holds text, else the first that is there.

    The problem is not empty when there is no such field, or when another one says more of the task than the seed does.
    """
    present = [name for name in FIELDS if name in record]
    if not present:
        return None, "", missing(record)
    field = next((name for name in present if isinstance(record[name], str) and record[name].strip()), present[0])
    value = record[field]
    if field == "text" and isinstance(value, str) and len({bool(asks) for asks, _ in _TURN.findall(value)}) == 2:
        return value, field, "field 'text' holds a whole conversation, answers and all; write its request into 'seed'"
    lost = next((name for name in record if _says_more(name, record[name], value)), "")
    if not lost:
        return value, field, ""
    return (
        value,
        field,
        f"field {lost!r} says more of the task than {field!r} and is not read; write all of it into {field!r} and leave "
        f"{lost!r} out",
    )


def missing(names: Mapping[str, Any]) -> str:
    """Why a record, or a table, with these fields has no seed."""
    found = ", ".join(map(repr, list(names)[:8])) or "none"
    chat = next((name for name in names if name.lower() in CONVERSATIONS), "")
    hint = f"; conversations ({chat!r}) are not read: write the request of each into 'seed'" if chat else ""
    return f"no field {', '.join(map(repr, FIELDS))}; found {found}{hint}"


def _says_more(name: str, value: Any, seed: Any) -> bool:
    """Whether a field beside the seed holds text of the task that the seed does not."""
    if name.lower() not in (*CONTEXT, *CONVERSATIONS) or not isinstance(seed, str):
        return False
    known = " ".join(seed.split())
    return any(text.lower() not in _NOTHING and text not in known for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """The texts inside a JSON value, white space folded; of turns only those that are not answers."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            speaker = item.get("role") or item.get("from")
            if speaker is None:
                waiting.extend(item.values())
            elif str(speaker).lower() not in _ANSWERERS:
                waiting.extend(item.get(name) for name in ("content", "value", "text"))
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif item not in (None, False) and item == item:  # NaN is how pandas writes an absent text
            yield " ".join(str(item).split())
