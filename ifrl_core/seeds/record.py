"""What of a record is its seed: the shapes that files come in, told apart by their fields, and what is refused by name.

    {"instruction": "Name a fruit.", "input": ""}                    plain: "Name a fruit."
    {"instruction": "Sum it up.", "input": "The tide …"}             Alpaca: "Sum it up.\\n\\nThe tide …" (Dolly: `context`)
    {"prompt": "Name a fruit.", "system": "Be brief."}               with a system message
    {"messages": [{"role": "user", "content": "Hi"}, …]}             OpenAI messages; also as `prompt`
    {"conversations": [{"from": "human", "value": "Hi"}, …]}         ShareGPT
    {"text": "### Human: Hi### Assistant: Hello."}                   text with marks; also a `prompt` that begins with one

The seed of a conversation is its last user turn. The text of a plain record is the first of FIELDS that holds one; another
of them may repeat it, say a part of it or hold it, as a `text` of instruction and answer does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ifrl_core.records import Message
from ifrl_core.seeds.conversations import Dialog, UnusableError, dialog_of, is_turns
from ifrl_core.seeds.marked import all_in_turns, turns_in

FIELDS = ("seed", "instruction", "prompt", "text")  # the first one that holds text is the seed
CONVERSATIONS = ("conversations", "conversation", "messages", "turns", "dialog", "dialogue", "chat")
TAKING_TURNS = "data"  # UltraChat's: texts of which the user says the first, the assistant the second, and so on
ADDED = {"input": "Alpaca", "context": "Dolly"}  # what such a file puts beside an instruction is a part of it
SYSTEM, TOOLS, HISTORY = ("system", "system_prompt"), ("tools", "functions"), ("history",)
# Fields, in any case, that other files keep a part of the task in: reading and choice sets, pictures.
CONTEXT = (
    *ADDED,
    *SYSTEM,
    *TOOLS,
    *HISTORY,
    "inputs",
    "passage",
    "document",
    "article",
    "choices",
    "options",
    "question",
    "query",
    *(f"{kind}{end}" for kind in ("image", "audio", "video") for end in ("", "s")),
)
_TREE = ("parent_id", "message_tree_id")  # OASST: a record is one message of a tree
PLAIN, MARKED = "plain", "text with marks"
_ANSWERERS = frozenset("assistant gpt chatgpt bot model ai bing bard claude tool function".split())  # noqa: SIM905
_NOTHING = frozenset(("", "<noinput>", "nan", "none", "null", "n/a"))  # ways in which files say that there is no input


@dataclass(frozen=True)
class Reading:
    """The seed's text in `value` and the field it comes from, or why there is none in `problem`.

    `messages` of a conversation; `left_out`: answers after its last user turn; `shape`: what kind of record it is.
    """

    value: Any
    field: str
    problem: str = ""
    messages: tuple[Message, ...] = ()
    shape: str = PLAIN
    left_out: int = 0


def is_read(name: str) -> bool:
    """Whether a field is looked at at all."""
    return name in FIELDS or name.lower() in (*CONTEXT, *CONVERSATIONS, *_TREE, TAKING_TURNS)


def holds_seeds(names: Mapping[str, Any]) -> bool:
    """Whether a table with these columns can hold seeds."""
    return any(name in FIELDS or name.lower() in (*CONVERSATIONS, TAKING_TURNS) for name in names)


def reading_of(record: Mapping[str, Any]) -> Reading:
    """What a record holds: a seed, whole, or a problem."""
    field = _text_field(record)
    try:
        record = _lifted(record)
        _refuse_tree(record)
        if found := _conversation(record, has_text=bool(field) and isinstance(record[field], str)):
            return _of_conversation(record, *found)
        if not field:
            return Reading(None, "", _empty(record) or missing(record))
        return _of_text(record, field)
    except UnusableError as error:
        return Reading(record.get(field), field, str(error))
    except RecursionError:
        return Reading(
            record.get(field), field, "the record is nested too deeply to be read; expected messages and tools"
        )


def _lifted(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record, with what its prompt holds beside messages (a system message, tools) where other records have it."""
    prompt = record.get("prompt")
    if not isinstance(prompt, Mapping) or not is_turns(prompt.get("messages")):
        return record
    inside = {name: value for name, value in prompt.items() if name != "messages"}
    if twice := next((name for name in inside if name in record and record[name] != inside[name]), ""):
        raise UnusableError(f"field {twice!r} differs inside of 'prompt' and beside it; expected one")
    return {**record, **inside, "prompt": prompt["messages"]}


def _empty(record: Mapping[str, Any]) -> str:
    """Which field could hold a conversation, and has no text in it."""
    fields = (name for name, value in record.items() if name.lower() in CONVERSATIONS and not any(_texts(value)))
    return next((f"field {name!r} has no text in it; expected a conversation" for name in fields), "")


def missing(names: Mapping[str, Any]) -> str:
    """Why a record, or a table, with these fields has no seed."""
    found = ", ".join(map(repr, list(names)[:8])) or "none"
    return f"no field {', '.join(map(repr, FIELDS))} and no conversation ('messages', 'conversations'); found {found}"


def _text_field(record: Mapping[str, Any]) -> str:
    """The first of FIELDS that holds text, else the first that is there; empty when none is."""
    present = [name for name in FIELDS if name in record]
    held = (name for name in present if isinstance(record[name], str) and record[name].strip())
    return next(held, present[0] if present else "")


def _conversation(record: Mapping[str, Any], *, has_text: bool) -> tuple[str, list[Any]] | None:
    """The field that holds a conversation, and its turns."""
    found: dict[str, list[Any]] = {}
    faults: dict[str, UnusableError] = {}
    for name, value in record.items():
        try:
            turns = _turns(name, value, has_text=has_text)
        except UnusableError as error:
            faults[name] = error
        else:
            found |= {name: turns} if turns else {}
    said = " ".join(" ".join(_all_texts(turns)) for turns in found.values())
    if unread := [error for name, error in faults.items() if not found or any(_lost(record[name], said))]:
        raise unread[0]
    if len(found) > 1:
        dialogs = [dialog_of(turns, f"field {name!r}").messages for name, turns in found.items()]
        if any(dialog != dialogs[0] for dialog in dialogs):
            raise UnusableError(f"fields {' and '.join(map(repr, found))} hold conversations that differ; expected one")
    return next(iter(found.items()), None)


def _turns(name: str, value: Any, *, has_text: bool) -> list[Any]:
    """The turns of a conversation that a field holds; [] of other fields.

    Raises:
        UnusableError: when it holds something else, and there is no text to ask either.
    """
    if name == "prompt":
        value = _json_messages(value)
        return list(value) if is_turns(value) else []
    if name.lower() == TAKING_TURNS:
        texts = isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(text, str) for text in value)
        return list(value) if texts and not has_text else []
    if name.lower() not in CONVERSATIONS or _is_label(value) or not any(_texts(value)):
        return []
    given = value
    if isinstance(value, str):
        value = _json(value, name) if value.lstrip().startswith("[") else turns_in(value)
    elif isinstance(value, Mapping) and all(isinstance(column, list | tuple) for column in value.values()):
        counts = sorted({len(column) for column in value.values()})
        rows = zip(*value.values(), strict=False)  # a sequence of `datasets`: of each field its values
        value = [dict(zip(value, row, strict=True)) for row in rows]
        if is_turns(value) and len(counts) > 1:
            raise UnusableError(
                f"field {name!r} has {' and '.join(map(str, counts))} values of its fields; expected as many of each"
            )
    if is_turns(value):
        return list(value)
    if has_text:
        return []
    found = "a text without marks of who speaks" if isinstance(given, str) and not value else _kind(given)
    raise UnusableError(f"field {name!r} is {found}; expected a list of messages, each with role and content")


def _is_label(value: Any) -> bool:
    """Whether the value of a field that may hold a conversation only names or counts one."""
    return isinstance(value, int | float) or (isinstance(value, str) and len(value.split()) == 1 and value[0] != "[")


def _kind(value: Any) -> str:
    inside = {type(item).__name__ for item in value} if isinstance(value, list | tuple) else set()
    return f"a list of {' and '.join(sorted(inside))}" if inside else type(value).__name__


def _of_conversation(record: Mapping[str, Any], field: str, turns: list[Any]) -> Reading:
    system, tools, history = _beside(record)
    dialog = dialog_of([*history, *turns], f"field {field!r}", system=system, tools=tools)
    said = " ".join(" ".join(message["content"].split()) for message in dialog.messages)
    for name in (name for name in record if name != field and (name in FIELDS or name.lower() in ADDED)):
        if isinstance(record[name], str) and not all(_covered(text, said) for text in _texts(record[name])):
            raise UnusableError(f"field {name!r} says what {field!r} does not; expected the task in one of them")
    _refuse_lost(record, said, field, (*SYSTEM, *TOOLS, *HISTORY, *CONVERSATIONS))
    return _reading(field, dialog, _shape(record, field, turns))


def _of_text(record: Mapping[str, Any], field: str) -> Reading:
    value = record[field]
    if not isinstance(value, str):
        return Reading(value, field)
    system, tools, history = _beside(record)
    if turns := turns_in(value) if field == "text" else all_in_turns(value):
        _refuse_other_task(record, value, field)
        _refuse_lost(record, value, field, (*SYSTEM, *TOOLS, *HISTORY))
        return _reading(field, dialog_of([*history, *turns], f"field {field!r}", system=system, tools=tools), MARKED)
    text, shape = _with_added(record) if field == "instruction" else (value, PLAIN)
    _refuse_other_task(record, text, field)
    _refuse_lost(record, text, field, (*SYSTEM, *TOOLS, *HISTORY))
    if not (system or tools or history):
        return Reading(text, field, shape=shape)
    turns = [*history, {"role": "user", "content": text}]
    dialog = dialog_of(turns, f"field {field!r} and what is beside it", system=system, tools=tools)
    return _reading(field, dialog, shape if shape != PLAIN else "text with system, history or tools")


def _with_added(record: Mapping[str, Any]) -> tuple[str, str]:
    """The instruction with its input or context, and whose shape that is; of both, it is refused as what is lost."""
    text = record["instruction"]
    there = [name for name in record if name.lower() in ADDED]
    more = [record[name] for name in there if isinstance(record[name], str) and any(_lost(record[name], text))]
    shape = ADDED[there[0].lower()] if len(there) == 1 else PLAIN
    return (f"{text.strip()}\n\n{more[0].strip()}" if len(more) == 1 else text), shape


def _beside(record: Mapping[str, Any]) -> tuple[str, Any, list[Any]]:
    """System message, tools and history that a record has beside its text or conversation."""
    given = {name.lower(): value for name, value in record.items() if any(_texts(value))}
    system = [given[name] for name in SYSTEM if name in given]
    if not all(isinstance(text, str) for text in system) or len(set(map(str, system))) > 1:
        raise UnusableError(
            f"field {SYSTEM[0]!r} or {SYSTEM[1]!r} is no text, or they differ; expected one system message"
        )
    tools = [given[name] for name in TOOLS if name in given]
    if len(set(map(str, tools))) > 1:
        raise UnusableError(f"fields {' and '.join(map(repr, TOOLS))} differ; expected one list of tools")
    return (system[0] if system else ""), (tools[0] if tools else None), _history(given.get("history"))


def _history(given: Any) -> list[Any]:
    """Turns before the instruction: pairs of request and answer, or messages."""
    turns = _json(given, "history") if isinstance(given, str) else given or []
    if turns and not is_turns(turns):
        pairs = isinstance(turns, list | tuple) and all(
            isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
            for pair in turns
        )
        if not pairs:
            raise UnusableError("field 'history' is no list of [request, answer] or of messages")
        turns = [text for pair in turns for text in pair]
    return list(turns)


def _reading(field: str, dialog: Dialog, shape: str) -> Reading:
    """Of a conversation; one that is a user's text alone is a plain seed."""
    last = {**dialog.messages[-1], "content": dialog.messages[-1]["content"].strip()}
    alone = len(dialog.messages) == 1 and "tools" not in last
    messages = () if alone else (*dialog.messages[:-1], last)
    return Reading(last["content"], field, messages=messages, shape=shape, left_out=dialog.left_out)


def _shape(record: Mapping[str, Any], field: str, turns: list[Any]) -> str:
    if isinstance(record[field], str):
        return "JSON text of messages" if record[field].lstrip().startswith("[") else MARKED
    if isinstance(turns[0], str) or (field == "messages" and "prompt_id" in record):
        return "UltraChat"
    if isinstance(record.get("instruction"), str) and "response" in record:
        return "Magpie"
    if turns[0].get("from"):
        return "ShareGPT"
    return "OpenAI messages in a prompt" if field == "prompt" else "OpenAI messages"


def _refuse_tree(record: Mapping[str, Any]) -> None:
    """OASST's tables have a message a record: the first of a tree is a seed, later ones need their tree."""
    lower = {name.lower(): value for name, value in record.items()}
    if all(name in lower for name in _TREE) and lower["parent_id"] is not None:
        raise UnusableError(
            "the record is a later message of a tree ('parent_id'); expected its first one, or whole conversations"
        )


def _refuse_other_task(record: Mapping[str, Any], said: str, field: str) -> None:
    """Refuse a record of which two fields could be the seed, and neither holds the other."""
    chosen, known = (" ".join(text.split()) for text in (record[field], said))
    for name in FIELDS:
        other = record.get(name)
        texts = " ".join(other.split()) if isinstance(other, str) else ""
        if name != field and texts not in known and chosen not in texts:
            raise UnusableError(f"field {name!r} asks something else than {field!r}; expected the task in one of them")


def _refuse_lost(record: Mapping[str, Any], said: str, field: str, read: tuple[str, ...]) -> None:
    """Refuse a record that holds text of the task in a field that is not read."""
    known = " ".join(said.split())
    others = [name for name in record if name != field and name.lower() in CONTEXT]
    others += [name for name in record if name.lower() in CONVERSATIONS and not _is_label(record[name])]
    lost = next((name for name in others if name.lower() not in read and any(_lost(record[name], known))), "")
    if lost:
        raise UnusableError(
            f"field {lost!r} says more of the task than {field!r} and is not read; write all of it into {field!r} and leave "
            f"{lost!r} out"
        )


def _lost(value: Any, said: str) -> Iterator[str]:
    """Texts of a value that are not said."""
    known = " ".join(said.split())
    yield from (text for text in _texts(value) if text not in known)


def _covered(text: str, said: str) -> bool:
    """Whether a text says no more than a conversation, or is the whole of it with marks."""
    users = [" ".join(turn["content"].split()) for turn in turns_in(text) if turn["role"] == "user"]
    return text in said or (bool(users) and all(user in said for user in users))


def _json_messages(value: Any) -> Any:
    """A value, or what the JSON text of a list is, as tables without lists have it."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"field {name!r} is not valid JSON ({error}); expected a list of messages") from error


def _all_texts(turns: Any) -> Iterator[str]:
    """What is said in turns, answers included, white space folded."""
    for turn in turns:
        if isinstance(turn, Mapping):
            yield from (text for name in ("content", "value", "text") for text in _texts(turn.get(name)))
        else:
            yield from _texts(turn)


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
            text = " ".join(str(item).split())
            if text.lower() not in _NOTHING:
                yield text
