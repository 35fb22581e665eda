"""What pydantic finds wrong with a recipe, in lines for people: the key, what is expected, what was found, what to do."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ifrl_core.config.base import kinds_of
from ifrl_core.config.secrets import looks_secret

_LONGEST = 80  # characters of a value that a message repeats
_WORDS = {
    "tuple_type": "a list is expected",
    "dict_type": "a mapping is expected",
    "model_type": "a section is expected",
}
_HOW = {
    "tuple_type": "; write a list: [a, b]",
    "dict_type": "; write a mapping: {name: value}",
    "model_type": "; write its keys below it, or {key: value}",
    "string_type": "; put it in quotes",
    "string_pattern_mismatch": "; lower-case letters, digits and - are taken, such as my-run",
}


def lines_of(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One line a fault, each once."""
    return list(dict.fromkeys(line for item in error.errors() for line in _lines(item, root)))


def field_at(root: type[BaseModel], path: Sequence[str]) -> FieldInfo | None:
    """The field of a key of a recipe; None where there is none."""
    section: type[BaseModel] | None = root
    for name in path[:-1]:
        section = _section(section.model_fields[name].annotation) if section and name in section.model_fields else None
    return section.model_fields.get(path[-1]) if section else None


def _lines(error: Any, root: type[BaseModel]) -> Iterator[str]:
    location = [part for part in error["loc"] if not isinstance(part, int)]
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        yield f"{key}: {_unknown([str(part) for part in location], root)}"
        return
    of_all, *more = error["msg"].removeprefix("Value error, ").split("\n")
    found = error.get("input")
    if error["type"] == "value_error" and isinstance(
        found, Mapping | BaseModel
    ):  # several keys that do not go together: the message names them
        yield from (f"{key}: {line}" if key else line for line in (of_all, *more))
        return
    said = _WORDS.get(error["type"], of_all)
    yield f"{key}: {said} (got {_shown(found)}){_how(error['type'], found)}"


def _how(kind: str, found: Any) -> str:
    if found is None:
        return "; leave the key out for its default"
    return _HOW.get(kind, "")


def _shown(found: Any) -> str:
    text = repr(found)
    if isinstance(found, str) and looks_secret(found):
        return "a secret"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _unknown(location: list[str], root: type[BaseModel]) -> str:
    """Which key may have been meant: of the same section, else the same name in another."""
    *parents, name = location
    section: type[BaseModel] | None = root
    for part in parents:
        section = _section(section.model_fields[part].annotation) if section and part in section.model_fields else None
    allowed = list(section.model_fields) if section else []
    close = difflib.get_close_matches(name, allowed, n=1)
    elsewhere = [] if close else [path for path in _paths(root) if path.endswith(f".{name}")]
    meant = [*close, *sorted(elsewhere, key=lambda path: path.count("."))[:3]]
    hint = f"; did you mean {' or '.join(meant)}?" if meant else "."
    return f"unknown key{hint} Allowed: {', '.join(allowed)}"


def _paths(section: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        path = f"{above}.{name}" if above else name
        yield path
        if inner := _section(field.annotation):
            yield from _paths(inner, path)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section of a field that is one, or may be none."""
    sections = [kind for kind in kinds_of(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return sections[0] if sections else None
