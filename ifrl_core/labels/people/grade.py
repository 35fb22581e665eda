"""What a judged sheet says of the pseudo-labels: agreement by type, order of the contrasts, and the judge's own consistency.

Everything counts first showings only, except position consistency, which compares them with the second ones. Skipped and
unanswered items are counted and left out, never taken for "no".
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.labels.audit import share
from ifrl_core.labels.people.sheet import KEY_FORMAT
from ifrl_core.statistics.agreement import kendall_tau

ALLOWED = {"y": 1, "yes": 1, "n": 0, "no": 0, "skip": None, "s": None, "": None}
Truth = dict[str, Any]
Judged = list[tuple[Truth, int]]  # what the key says of an item, and the judgement in {0, 1}


def grade_sheet(sheet: Path, key: Path) -> dict[str, Any]:
    """Figures of a judged sheet (the page's download or the filled CSV).

    `agreement`, `positives`, `negatives`: judge and pseudo-label, `soft`: the same of soft constraints alone; `rules`: judge
    and rule, on hard constraints; `labels_and_rules`: label and rule on the same items, to compare with. `kendall_tau` is
    tau-b over single judgements.
    `contrasts`: of those with both answers judged, how many are ordered as the labels order them, against them or tied;
    `same_order` is the paper's position consistency and `tau` = (concordant - discordant) / all its Kendall tau (without
    ties tau = 2 same_order - 1; the paper gives 94.0 and 97.0). `position_consistency`: of the answers judged in both
    orders, how many got the same judgement. Shares carry 95% Wilson intervals.

    Raises:
        InputError: naming the row and the field of what cannot be used, or saying that nothing was judged.
    """
    truths = read_key(key)
    judgements = read_judgements(sheet, truths)
    judged: Judged = [(truths[item], answer) for item, answer in judgements.items() if answer is not None]
    if not judged:
        raise InputError(f"{sheet}: no item is judged; fill the column judgement with y, n or skip")
    first: Judged = [(truth, answer) for truth, answer in judged if truth["showing"] == 1]
    return {
        "sheet": str(truths[next(iter(truths))]["sheet"]),
        "items": len(truths),
        "judged": len(judged),
        "skipped_or_unanswered": len(truths) - len(judged),
        **_labels_agreement(first),
        "soft": _labels_agreement([pair for pair in first if pair[0]["kind"] == "soft"]),
        "rules": _agreement(first, lambda truth: truth["verdict"]),
        "labels_and_rules": share(
            truth["label"] == int(truth["verdict"]) for truth, _ in first if truth["verdict"] is not None
        ),
        "kendall_tau": kendall_tau([answer for _, answer in first], [truth["label"] for truth, _ in first]),
        "contrasts": _contrasts(first),
        "position_consistency": _consistency(judged),
        "by_type": {
            f"{kind} {name}": {**_labels_agreement(part), "rules": _agreement(part, lambda truth: truth["verdict"])}
            for (kind, name), part in _grouped(first, lambda truth: (truth["kind"], truth["type"]))
        },
    }


def read_key(path: Path) -> dict[str, Truth]:
    """What each item of the sheet truly is, by item id."""
    try:
        key = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `ifrl labels sheet` wrote it beside the sheet") from None
    except ValueError as error:
        raise InputError(f"{path} is not a sheet's key: not JSON ({error})") from None
    if not isinstance(key, dict) or key.get("format") != KEY_FORMAT or not key.get("items"):
        raise InputError(f"{path} is not a sheet's key: expected format {KEY_FORMAT!r} and items")
    return {item: {**truth, "sheet": key["sheet"]} for item, truth in key["items"].items()}


def read_judgements(path: Path, truths: Mapping[str, Truth]) -> dict[str, int | None]:
    """Judgement (1, 0, or None for skipped or empty) by item; rows are counted as spreadsheets do, the header is row 1."""
    rows = _rows(path)
    judgements: dict[str, int | None] = {}
    row_of: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        item, judgement = ((row.get(name) or "").strip() for name in ("item", "judgement"))
        if not item and not judgement:
            continue
        if item not in truths:
            sheet = next(iter(truths.values()))["sheet"]
            raise _wrong(path, number, "item", f"{item!r} is no item of the key, which is of sheet {sheet}")
        if item in judgements:
            raise _wrong(path, number, "item", f"{item!r} is already in row {row_of[item]}; keep one of the two")
        if judgement.lower() not in ALLOWED:
            raise _wrong(path, number, "judgement", f"{judgement[:40]!r}; allowed are y, n, skip, or nothing")
        judgements[item], row_of[item] = ALLOWED[judgement.lower()], number
    return judgements


def _rows(path: Path) -> list[dict[str, str | None]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets write a BOM
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}); save the sheet as CSV UTF-8") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)  # in some languages spreadsheets write another one
    limit = csv.field_size_limit(max(len(text), 1 << 17))  # an answer may be longer than csv's 128 KiB
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        missing = [name for name in ("item", "judgement") if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: row 1 lacks the column {' and '.join(missing)}; expected item and judgement")
        return list(reader)
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from None
    finally:
        csv.field_size_limit(limit)


def _labels_agreement(judged: Judged) -> dict[str, Any]:
    return {
        "agreement": _agreement(judged, lambda truth: truth["label"]),
        "positives": _agreement([pair for pair in judged if pair[0]["label"] == 1], lambda truth: truth["label"]),
        "negatives": _agreement([pair for pair in judged if pair[0]["label"] == 0], lambda truth: truth["label"]),
    }


def _agreement(judged: Judged, truth_of: Callable[[Truth], int | bool | None]) -> dict[str, Any]:
    """Share of judgements that equal what `truth_of` says; items of which it says None are left out."""
    return share(answer == int(expected) for truth, answer in judged if (expected := truth_of(truth)) is not None)


def _contrasts(first: Judged) -> dict[str, Any]:
    orders = []  # judge's positive minus judge's negative: 1 concordant, -1 discordant, 0 tied
    for _, pair in _grouped(first, lambda truth: truth["contrast"]):
        if len(pair) == 2:
            by_label = {truth["label"]: answer for truth, answer in pair}
            orders.append(by_label[1] - by_label[0])
    return {
        "concordant": orders.count(1),
        "discordant": orders.count(-1),
        "tied": orders.count(0),
        "same_order": share(order == 1 for order in orders),
        "tau": sum(orders) / len(orders) if orders else None,
    }


def _consistency(judged: Judged) -> dict[str, Any]:
    pairs = _grouped(judged, lambda truth: truth["label_id"])
    return share(pair[0][1] == pair[1][1] for _, pair in pairs if len(pair) == 2)


def _grouped(judged: Judged, key_of: Callable[[Truth], Any]) -> Iterable[tuple[Any, Judged]]:
    ordered = sorted(judged, key=lambda pair: key_of(pair[0]))
    return [(key, list(part)) for key, part in groupby(ordered, key=lambda pair: key_of(pair[0]))]


def _wrong(path: Path, row: int, field: str, problem: str) -> InputError:
    return InputError(f"{path}: row {row}, field {field!r}: {problem}")
