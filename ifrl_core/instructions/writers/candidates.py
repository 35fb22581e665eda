"""Arguments that the pieces captured from a text may stand for; which of them it means is for its type to say.

>>> from ifrl_core.constraints.verifiers.arguments import Choice, Integer
>>> schema = {"count": Integer(1, 9, "words"), "relation": Choice(("less than", "at least"))}
>>> list(candidates(schema, ["at least", "3 words"], seed_text=""))
[{'count': 3, 'relation': 'less than'}, {'count': 3, 'relation': 'at least'}]
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ifrl_core.constraints.verifiers.arguments import Argument, Choice, Integer, Texts

_MOST = 400
_QUOTED = re.compile(r'"([^"]*)"')
_BETWEEN_ITEMS = re.compile(r",\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+")


def candidates(schema: Mapping[str, Argument], pieces: Sequence[str], seed_text: str) -> Iterator[dict[str, Any]]:
    """Arguments by their names, at most a few hundred; `seed_text` is what a constraint may ask to be repeated."""
    values = [list(dict.fromkeys(map(_frozen, _values(argument, pieces, seed_text)))) for argument in schema.values()]
    for combination in itertools.islice(itertools.product(*values), _MOST):
        thawed = (list(value) if isinstance(value, tuple) else value for value in combination)
        yield dict(zip(schema, thawed, strict=True))


def coerced(argument: Argument | None, value: Any) -> Any:
    """Numbers given as text, whole numbers given as floats, and a single text given for a list of them."""
    if isinstance(argument, Integer) and isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return int(value)
    if isinstance(argument, Integer) and isinstance(value, float) and value.is_integer():
        return int(value)
    return [value] if isinstance(argument, Texts) and isinstance(value, str) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _values(argument: Argument, pieces: Sequence[str], seed_text: str) -> list[Any]:
    """Values of one argument that the pieces may stand for."""
    if isinstance(argument, Choice):
        return list(argument.values)
    if isinstance(argument, Integer):
        return [int(digits) for piece in pieces for digits in re.findall(r"[0-9]{1,9}", piece.replace(",", ""))]
    if isinstance(argument, Texts):
        lists = [items for piece in pieces if (items := _items(piece))]
        return [*lists, *([item.rstrip(":") for item in items] for items in lists)]
    quoted = [text for piece in pieces for text in _QUOTED.findall(piece)]
    return [*quoted, *(piece.strip('"') for piece in pieces), seed_text]


def _items(piece: str) -> list[str]:
    """The items of an English list, quoted or not."""
    if quoted := _QUOTED.findall(piece):
        return quoted
    return [item.strip() for item in _BETWEEN_ITEMS.split(piece) if item.strip()]
