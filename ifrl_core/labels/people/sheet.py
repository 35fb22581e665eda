"""Blind sheets: pairs of a labels artifact that a person judges without seeing what the labels or the rules say.

A sheet is drawn in whole contrasts: for one constraint of one instruction, an answer labelled positive and one labelled
negative. They are shown one after the other, in random order, with the seed instruction and the constraint; neither the
label, nor the rule's verdict, nor the prompt that the answer was given to (its rung) is in any file but the key. A share of
the contrasts is shown a second time, at the end and in the other order, so that the effect of the order can be measured.
"""

import csv
import hashlib
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.labels.people.draw import Shown, contrasts_of, draw, showing_order
from ifrl_core.records import Row, printable, readable
from ifrl_core.stages.runs import load_record

SHEET_CSV, SHEET_PAGE, KEY = "sheet.csv", "sheet.html", "key.json"
KEY_FORMAT = "ifrl-label-sheet/1"
COLUMNS = ("item", "instruction", "constraint", "response", "judgement")
_FORMULA = tuple("=+-@＝＋－＠")


@dataclass(frozen=True)
class Sheet:
    """What was written: judgements asked for, of how many contrasts, and the files."""

    sheet: str
    items: int
    contrasts: int
    repeated: int
    csv: Path
    page: Path
    key: Path


def find_labels(name: str | None, store: ArtifactStore) -> ArtifactRef:
    """The labels of a run (None: the latest), or those that labels/FINGERPRINT names; a prefix will do.

    Raises:
        InputError: when there is no such run, it has no labels, or the prefix does not name one artifact.
    """
    if name is not None and name.startswith("labels/"):
        folder, prefix = store.folder("labels", ""), name.removeprefix("labels/")
        paths = store.fs.ls(folder, detail=False) if store.fs.exists(folder) else []
        fingerprints = sorted(Path(path).name for path in paths)
        fitting = [ref for item in fingerprints if item.startswith(prefix) and (ref := store.find("labels", item))]
        if len(fitting) != 1:
            shown = "\n".join(f"  labels/{fingerprint[:16]}" for fingerprint in fingerprints[:20]) or "  none"
            raise InputError(f"{name} names {len(fitting)} artifacts of {store.root}, not one. Labels there:\n{shown}")
        return fitting[0]
    record = load_record(store, name)
    if "labels" not in record["refs"]:
        raise InputError(f"run {record['run']} ended before its labels: state {record['state']}")
    return ArtifactRef.model_validate(record["refs"]["labels"])


def write_sheet(
    labels: ArtifactRef, store: ArtifactStore, folder: Path, *, pairs: int, repeat: float = 0.1, seed: int = 0
) -> Sheet:
    """Write sheet.csv, sheet.html and key.json for about `pairs` (response, constraint) pairs, plus the repeated ones.

    Equal arguments give equal files. `repeat` is the share of contrasts that are shown again in the other order.

    Raises:
        InputError: when the folder already holds a sheet (it may hold somebody's work), or nothing can be drawn.
        ArtifactError: when the prompts that the labels were made from are gone.
    """
    for name in (SHEET_CSV, SHEET_PAGE, KEY):
        if (folder / name).exists():
            raise InputError(f"{folder / name} exists, and may hold judgements: choose another folder")
    chosen = draw(contrasts_of(store.rows(labels), seed), -(-pairs // 2))
    if not chosen:
        raise InputError(f"{labels.uri} holds no constraint with both a positive and a negative: nothing to compare")
    order = showing_order(chosen, repeat, random.Random(f"sheet {seed} {labels.fingerprint}"))
    rows = _rows_of(order, labels, store)
    digest = hashlib.sha256(json.dumps([labels.digest, seed, [vars(shown) for shown in order]]).encode())
    sheet = f"s{digest.hexdigest()[:8]}"  # a letter first: no spreadsheet takes it for a number
    instructions = _seed_instructions({row["instruction_id"] for row in rows}, labels, store)
    items = [
        {
            "item": f"{sheet}-{number:04d}",
            "instruction": printable(instructions[row["instruction_id"]]),
            "constraint": printable(row["constraint"]["text"]),
            "response": printable(row["response"]),
        }
        for number, row in enumerate(rows, 1)
    ]
    truth = {item["item"]: _truth(row, shown) for item, row, shown in zip(items, rows, order, strict=True)}
    key = {"format": KEY_FORMAT, "sheet": sheet, "labels": labels.uri, "seed": seed, "items": truth}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SHEET_CSV).write_text(csv_text(items), encoding="utf-8", newline="")
    (folder / SHEET_PAGE).write_text(page_text(sheet, items), encoding="utf-8")
    (folder / KEY).write_text(json.dumps(key, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    repeated = sum(shown.showing == 2 for shown in order) // 2
    return Sheet(sheet, len(items), len(chosen), repeated, folder / SHEET_CSV, folder / SHEET_PAGE, folder / KEY)


def csv_text(items: Sequence[Row]) -> str:
    """The sheet for spreadsheets. A cell that one would run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in item.items()} for item in items)
    return text.getvalue()


def page_text(sheet: str, items: Sequence[Row]) -> str:
    """The sheet as one page that needs no network; the texts ride in it as escaped JSON and are shown as text only."""
    template = files("ifrl_core").joinpath("labels/people/sheet.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(sheet=sheet, items=list(items))


def _rows_of(order: Sequence[Shown], labels: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """The row of the labels table of each answer that is shown."""
    label_ids = {shown.label_id for shown in order}
    by_id = {row["label_id"]: row for row in store.rows(labels) if row["label_id"] in label_ids}
    return [by_id[shown.label_id] for shown in order]


def _truth(row: Row, shown: Shown) -> Row:
    return {
        "contrast": shown.contrast,
        "showing": shown.showing,
        **{name: row[name] for name in ("label_id", "rollout_id", "level", "label", "verdict")},
        **{name: row["constraint"][name] for name in ("type", "kind")},
    }


def _seed_instructions(instruction_ids: set[str], labels: ArtifactRef, store: ArtifactStore) -> dict[str, str]:
    """The L0 prompts by instruction_id: context that says nothing about the rung."""
    parent = store.manifest(labels).inputs["prompts"]
    prompts = store.find(*parent.split("/", 1))
    if prompts is None:
        raise ArtifactError(
            f"{labels.uri} was made from {parent}, which is gone from {store.root}: run the recipe again"
        )
    return {
        row["instruction_id"]: readable(row["messages"])
        for row in store.rows(prompts)
        if row["level"] == 0 and row["instruction_id"] in instruction_ids
    }


def _inert(value: str) -> str:
    """OWASP's rule against CSV injection, also behind white space, which some programs trim."""
    return f"'{value}" if value.lstrip().startswith(_FORMULA) or value[:1] in ("\t", "\r", "\n") else value
