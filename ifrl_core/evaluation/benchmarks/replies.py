"""What a judge's reply says: verdicts by number, yes or no, a score. A reply that cannot be read is None, never a verdict."""

import json
import re
from typing import Any

_OBJECT = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_YES_NO = re.compile(r"\b(yes|no)\b|(是|否)", re.IGNORECASE)
_TRUE: dict[int | str, bool] = {
    1: True,
    0: False,
    **dict.fromkeys(("1", "yes", "是", "true"), True),
    **dict.fromkeys(("0", "no", "否", "false"), False),
}


def numbered(reply: str, n: int) -> list[bool] | None:
    """The verdicts 1 to n of a JSON reply: `{"1": 1, "2": 0}`, `[1, 0]`, or a list of objects with a number and a verdict."""
    document = _document(reply)
    if isinstance(document, list) and len(document) == n and not any(isinstance(item, dict) for item in document):
        document = {str(i): item for i, item in enumerate(document, start=1)}
    if isinstance(document, list):
        document = _by_number(document)
    if not isinstance(document, dict):
        return None
    verdicts = [_verdict(document.get(str(i))) for i in range(1, n + 1)]
    known = [verdict for verdict in verdicts if verdict is not None]
    return known if len(known) == n else None


def echoed(reply: str, criteria: list[str]) -> list[bool] | None:
    """The verdicts of the official form, a line `criterion<tab>0 or 1` each, in the order of `criteria`.

    Blanks do not matter. As many lines as criteria count by their place where a judge has reworded one.
    """
    lines = [line.rsplit("\t", 1) for line in reply.splitlines() if "\t" in line]
    verdict_of = {_plain(line[0]): _verdict(line[1]) for line in lines}
    in_place = [_verdict(line[1]) for line in lines]
    verdicts = [verdict_of.get(_plain(criterion)) for criterion in criteria]
    if None in verdicts and len(in_place) == len(criteria):
        verdicts = in_place
    known = [verdict for verdict in verdicts if verdict is not None]
    return known if len(known) == len(criteria) else None


def yes_or_no(reply: str) -> bool | None:
    """The last yes or no of the reply (是 or 否): reasons come first."""
    found = _YES_NO.findall(reply)
    return _verdict(found[-1][0] or found[-1][1]) if found else None


def score(reply: str, low: int, high: int) -> int | None:
    """The `score` of a JSON reply, when it is a whole number from `low` to `high`."""
    document = _document(reply)
    value = document.get("score") if isinstance(document, dict) else None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return value if type(value) is int and low <= value <= high else None


def _document(reply: str) -> Any:
    match = _OBJECT.search(reply)
    try:
        return json.loads(match.group()) if match else None
    except (ValueError, RecursionError):
        return None


def _by_number(items: list[Any]) -> dict[str, Any] | None:
    numbered = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        number = next((item[name] for name in ("id", "number", "n", "criterion") if name in item), None)
        verdict = next((item[name] for name in ("met", "verdict", "score", "answer") if name in item), None)
        numbered[str(number)] = verdict
    return numbered


def _verdict(value: Any) -> bool | None:
    if isinstance(value, str):
        value = value.strip().lower()
    return _TRUE.get(value) if isinstance(value, bool | int | str) else None


def _plain(criterion: str) -> str:
    return "".join(criterion.split())
