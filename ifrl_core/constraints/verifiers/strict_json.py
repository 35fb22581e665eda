"""JSON of which every reader makes the same: objects whose names differ, numbers that JSON has."""

import json
from typing import Any


def strict_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: for what is none, holds NaN or infinity, or has an object with a name twice.
        RecursionError: where it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
