"""Prompts of the judge: a text a file, in which `{name}` stands for a field. All other braces are text.

Ours lie in templates/. A folder of the user's may replace any of them by a file of the same name with the same fields.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.files import filesystem
from ifrl_core.errors import ConfigError

_FIELD = re.compile(r"\{([a-z_]+)\}")
_SUFFIX = ".txt"


@dataclass(frozen=True)
class Templates:
    """The texts in use, by name."""

    texts: Mapping[str, str]

    def render(self, name: str, fields: Mapping[str, str]) -> str:
        """The template of that name with its fields put in, in one pass: what stands in a field is text.

        Raises:
            ValueError: when there is no such template, or its fields are others.
        """
        if name not in self.texts:
            raise ValueError(f"no template {name!r}; expected one of {', '.join(sorted(self.texts))}")
        text = self.texts[name]
        if (wanted := fields_of(text)) != fields.keys():
            raise ValueError(f"template {name!r} takes {_shown(wanted)}; given are {_shown(fields)}")
        return _FIELD.sub(lambda match: fields[match[1]], text)

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """sha256 of each of these, by name: identity of what is judged with them."""
        return {name: digest_of_bytes(self.texts[name].encode()) for name in sorted(set(names))}


def templates(folder: str | None = None) -> Templates:
    """Ours, with those of the user's `folder` (path or URL) in their places.

    Raises:
        ConfigError: when the folder cannot be read, holds a .txt that replaces none of ours, or one with other fields.
    """
    return Templates(_ours() if folder is None else _ours() | _users(folder))


def fields_of(text: str) -> set[str]:
    """The names of a template's fields."""
    return set(_FIELD.findall(text))


@cache
def _ours() -> dict[str, str]:
    folder = files(__package__).joinpath("templates")
    return {
        file.name.removesuffix(_SUFFIX): file.read_text(encoding="utf-8").strip()
        for file in folder.iterdir()
        if file.name.endswith(_SUFFIX)
    }


def _users(folder: str) -> dict[str, str]:
    found = {}
    for path, text in _read(folder):
        name = path.rpartition("/")[2].removesuffix(_SUFFIX)
        if name not in _ours():
            raise ConfigError(f"{path} is no template of the judge; expected one of {', '.join(sorted(_ours()))}")
        allowed, given = fields_of(_ours()[name]), fields_of(text)
        if unknown := given - allowed:
            raise ConfigError(f"{path}: {_shown(unknown)} is no field of {name}; allowed: {_shown(allowed)}")
        if missing := allowed - given:
            raise ConfigError(f"{path}: {_shown(missing)} is missing; {name} needs {_shown(allowed)}")
        found[name] = text.strip()
    if not found:
        raise ConfigError(
            f"evaluation.judge.template {folder}: no .txt file in it; expected NAME.txt of a template each"
        )
    return found


def _read(folder: str) -> list[tuple[str, str]]:
    """(path, text) of the .txt files of a folder."""
    try:
        fs, inner = filesystem(folder)
        paths: list[Any] = sorted(path for path in fs.ls(inner, detail=False) if path.endswith(_SUFFIX))
        return [(path, fs.cat_file(path).decode("utf-8-sig")) for path in paths]
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise ConfigError(
            f"evaluation.judge.template {folder}: cannot be read ({type(error).__name__}: {error}); expected a folder of "
            "UTF-8 files NAME.txt"
        ) from error


def _shown(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "no fields"
