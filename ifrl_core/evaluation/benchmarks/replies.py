"""What a judge's reply says: verdicts by number, yes or no, a score. A reply that cannot be read is None, never a verdict."""

import json
import re
from typing import Any

NOT_READ = "reply not read"  # in the notes of what was graded

_OPENING = re.compile(r"[{\[]")
_TRIES = 200  # places of a reply at which JSON may begin
_STANDING_ALONE = r"(?<![\u4e00-\u9fff])(?:是|否)(?![\u4e00-\u9fff])"  # not as in 不是, 是否, 否则
_YES_NO = re.compile(rf"(?<![a-z])(?:yes|no)(?![a-z])|{_STANDING_ALONE}", re.IGNORECASE)  # 答案是YES
_VERDICT_FIELDS = ("met", "verdict", "answer", "score", "1")
_TRUE: dict[int | str, bool] = {
    1: True,
    0: False,
    **dict.fromkeys(("1", "yes", "是", "true"), True),
    **dict.fromkeys(("0", "no", "否", "false"), False),
}


def numbered(reply: str, n: int) -> list[bool] | None:
    """The verdicts 1 to n of a JSON reply: `{"1": 1, "2": 0}`, `[1, 0]`, or a list of objects with a number and a verdict.

    Of several the last counts, an object before a list: judges quote, and mark what they quote by [1]. Also read is what
    official wordings ask for in the last line: `['YES', 'NO']`, or of one verdict YES or NO.
    """
    documents = sorted(json_in(reply), key=lambda document: isinstance(document, dict))
    read = [verdicts for document in documents if (verdicts := _verdicts(document, n)) is not None]
    return read[-1] if read else _listed(reply, n)


def numbered_schema(n: int) -> dict[str, Any]:
    """JSON schema of the reply `{"1": 0 or 1, ..., "n": 0 or 1}`."""
    names = [str(i) for i in range(1, n + 1)]
    verdicts = {name: {"type": "integer", "enum": [0, 1]} for name in names}
    return {"type": "object", "properties": verdicts, "required": names, "additionalProperties": False}


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
    """The verdict of a JSON object, else the last yes or no of the reply (是 or 否 that stands alone): reasons come first."""
    objects = [document for document in json_in(reply) if isinstance(document, dict)]
    given = [document for document in objects if document.keys() & set(_VERDICT_FIELDS)]
    if given:
        return _verdict(_given(given[-1]))
    found = _YES_NO.findall(reply)
    return _verdict(found[-1]) if found else None


YES_NO_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}


def score(reply: str, low: int, high: int) -> int | None:
    """The `score` of a JSON reply, when it is a whole number from `low` to `high`."""
    given = [document["score"] for document in json_in(reply) if isinstance(document, dict) and "score" in document]
    value = given[-1] if given else None
    if isinstance(value, str) and value.strip() in map(str, range(low, high + 1)):
        value = int(value)
    return value if type(value) is int and low <= value <= high else None


def score_schema(low: int, high: int) -> dict[str, Any]:
    """JSON schema of the reply `{"reason": "...", "score": low to high}`."""
    number = {
        "type": "integer",
        "enum": list(range(low, high + 1)),
    }  # bounds are not in every engine's subset of JSON schema
    properties = {"reason": {"type": "string"}, "score": number}
    return {"type": "object", "properties": properties, "required": ["reason", "score"], "additionalProperties": False}


def json_in(reply: str) -> list[Any]:
    """The JSON objects and lists that the reply holds, in its order; what is inside one is not listed again."""
    decoder, found, place = json.JSONDecoder(), list[Any](), 0
    for _ in range(_TRIES):
        opening = _OPENING.search(reply, place)
        if opening is None:
            break
        try:
            document, place = decoder.raw_decode(reply, opening.start())
            found.append(document)
        except (ValueError, RecursionError):
            place = opening.end()
    return found


def _verdicts(document: Any, n: int) -> list[bool] | None:
    if isinstance(document, dict) and len(document) == 1 and "1" not in document:
        (document,) = document.values()  # {"verdicts": ...}
    if isinstance(document, list) and len(document) == n and not any(isinstance(item, dict) for item in document):
        document = {str(i): item for i, item in enumerate(document, start=1)}
    if isinstance(document, list):
        document = _by_number(document)
    if not isinstance(document, dict):
        return None
    verdicts = [_verdict(document.get(str(i))) for i in range(1, n + 1)]
    known = [verdict for verdict in verdicts if verdict is not None]
    return known if len(known) == n else None


def _listed(reply: str, n: int) -> list[bool] | None:
    last = (reply.strip().splitlines() or [""])[-1].strip()
    listed = last[1:-1].split(",") if last.startswith("[") and last.endswith("]") else [last]
    verdicts = [_verdict(entry.strip(" '\"*.`")) for entry in listed]
    known = [verdict for verdict in verdicts if verdict is not None]
    return known if len(known) == n == len(verdicts) else None


def _by_number(items: list[Any]) -> dict[str, Any] | None:
    numbered = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        number = next((item[name] for name in ("id", "number", "n", "criterion") if name in item), None)
        numbered[str(number)] = _given(item)
    return numbered


def _given(item: dict[str, Any]) -> Any:
    return next((item[name] for name in _VERDICT_FIELDS if name in item), None)


def _verdict(value: Any) -> bool | None:
    if isinstance(value, str):
        value = value.strip().lower()
    return _TRUE.get(value) if isinstance(value, bool | int | str) else None


def _plain(criterion: str) -> str:
    return "".join(criterion.split())
