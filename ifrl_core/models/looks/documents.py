"""The JSON files of a model folder, and what lies in their place after half a download."""

import json
from pathlib import Path
from typing import Any

from ifrl_core.errors import ModelError

_LFS = b"version https://git-lfs"
_WORDS = 200  # characters of a library's error that are shown


def fault(uri: str, text: str) -> ModelError:
    return ModelError(f"model {uri!r}: {text}")


def first_line(error: Exception) -> str:
    """What a library says, in one line of at most _WORDS characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:_WORDS]


def refuse_lfs_pointer(path: Path, uri: str) -> None:
    """
    Raises:
        ModelError: when `path` holds the address of a file on git LFS in the place of the file.
    """
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise fault(uri, f"{path} is a git LFS pointer, not the file: run `git lfs pull` in that repository")


def read_document(path: Path, uri: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        ModelError: when it is a git LFS pointer, no JSON, or something else than an object.
    """
    refuse_lfs_pointer(path, uri)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise fault(uri, f"{path} is not valid JSON ({error}); fetch it again") from error
    if not isinstance(document, dict):
        raise fault(uri, f"{path} holds a JSON {type(document).__name__}; expected an object")
    return document
