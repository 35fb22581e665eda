"""Blind sheets: pairs of a labels artifact that a person judges without seeing what the labels or the rules say.

A sheet is drawn in whole contrasts: for one constraint of one instruction, an answer labelled positive and one labelled
negative. They are shown one after the other, in random order, with the seed instruction and the constraint; neither the
label, nor the rule's verdict, nor the prompt that the answer was given to (its rung) is in any file but the key. A share of
the contrasts is shown a second time, at the end and in the other order, so that the effect of the order can be measured.
"""

import csv
import hashlib
import io
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.records import Row, printable
from ifrl_core.stages.runs import load_record
from ifrl_core.statistics.by_hash import rank_by_hash

SHEET_CSV, SHEET_PAGE, KEY = "sheet.csv", "sheet.html", "key.json"
KEY_FORMAT = "ifrl-label-sheet/1"
COLUMNS = ("item", "instruction", "constraint", "response", "judgement")
_FORMULA = tuple("=+-@＝＋－＠")


@dataclass(frozen=True)
class Contrast:
    """One constraint of one instruction with an answer of each label; `rank` is its place in the random draw."""

    rank: str
    instruction_id: str
    type: str
    level: int
    positive: str  # label_id
    negative: str  # label_id


@dataclass(frozen=True)
class Shown:
    """One judgement asked for: which contrast, which of its two answers, and whether for the first or second time."""

    contrast: int
    label_id: str
    showing: int


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
    label_ids = {shown.label_id for shown in order}
    rows = {row["label_id"]: row for row in store.rows(labels) if row["label_id"] in label_ids}
    instructions = _seed_instructions({row["instruction_id"] for row in rows.values()}, labels, store)
    digest = hashlib.sha256(json.dumps([labels.digest, seed, [vars(shown) for shown in order]]).encode())
    sheet = f"s{digest.hexdigest()[:8]}"  # a letter first: no spreadsheet takes it for a number
    items = [
        {
            "item": f"{sheet}-{number:04d}",
            "instruction": printable(instructions[rows[shown.label_id]["instruction_id"]]),
            "constraint": printable(rows[shown.label_id]["constraint"]["text"]),
            "response": printable(rows[shown.label_id]["response"]),
        }
        for number, shown in enumerate(order, 1)
    ]
    truth = {item["item"]: _truth(rows[shown.label_id], shown) for item, shown in zip(items, order, strict=True)}
    key = {"format": KEY_FORMAT, "sheet": sheet, "labels": labels.uri, "seed": seed, "items": truth}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SHEET_CSV).write_text(csv_text(items), encoding="utf-8", newline="")
    (folder / SHEET_PAGE).write_text(page_text(sheet, items), encoding="utf-8")
    (folder / KEY).write_text(json.dumps(key, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    repeated = sum(shown.showing == 2 for shown in order) // 2
    return Sheet(sheet, len(items), len(chosen), repeated, folder / SHEET_CSV, folder / SHEET_PAGE, folder / KEY)


def contrasts_of(labels: Iterable[Row], seed: int) -> Iterator[Contrast]:
    """One contrast for each instruction and level that has both labels; of several answers a side, one by hash.

    `labels` is in the order of the table: the rows of an instruction stand together.
    """
    for instruction_id, rows in itertools.groupby(labels, key=lambda row: row["instruction_id"]):
        sides: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        types: dict[int, str] = {}
        for row in rows:
            sides[row["level"]][row["label"]].append(row["label_id"])
            types[row["level"]] = row["constraint"]["type"]
        for level, (negatives, positives) in sides.items():
            if negatives and positives:
                positive, negative = (min(ids, key=lambda name: _hash(seed, name)) for ids in (positives, negatives))
                yield Contrast(_hash(seed, positive), instruction_id, types[level], level, positive, negative)


def draw(contrasts: Iterable[Contrast], count: int) -> list[Contrast]:
    """At most `count` contrasts: types as even as they last, then levels, then by rank."""
    pools: dict[str, dict[int, list[Contrast]]] = defaultdict(lambda: defaultdict(list))
    for contrast in sorted(contrasts, key=lambda contrast: contrast.rank, reverse=True):
        pools[contrast.type][contrast.level].append(contrast)
    first = {name: max(pool[-1].rank for pool in levels.values()) for name, levels in pools.items()}
    drawn: list[Contrast] = []
    of_type, of_level = Counter[str](), Counter[int]()
    while pools and len(drawn) < count:
        name = min(pools, key=lambda name: (of_type[name], first[name]))
        level = min(pools[name], key=lambda level: (of_level[level], level))
        drawn.append(pools[name][level].pop())
        of_type[name] += 1
        of_level[level] += 1
        if not pools[name][level]:
            del pools[name][level]
        if not pools[name]:
            del pools[name]
    return drawn


def showing_order(contrasts: Sequence[Contrast], repeat: float, source: random.Random) -> list[Shown]:
    """Every contrast once, its two answers adjacent, both orders random; then a share of them in the other order.

    A share above 0 repeats at least one.
    """
    first = [(index, source.random() < 0.5) for index in range(len(contrasts))]  # (contrast, positive first)
    source.shuffle(first)
    repeated = source.sample(first, max(round(repeat * len(first)), 1 if repeat else 0))
    order = [(index, positive_first, 1) for index, positive_first in first]
    order += [(index, not positive_first, 2) for index, positive_first in repeated]
    shown = []
    for index, positive_first, showing in order:
        sides = (contrasts[index].positive, contrasts[index].negative)
        shown += [Shown(index, label_id, showing) for label_id in (sides if positive_first else sides[::-1])]
    return shown


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
        row["instruction_id"]: row["messages"][-1]["content"]
        for row in store.rows(prompts)
        if row["level"] == 0 and row["instruction_id"] in instruction_ids
    }


def _inert(value: str) -> str:
    """OWASP's rule against CSV injection, also behind white space, which some programs trim."""
    return f"'{value}" if value.lstrip().startswith(_FORMULA) or value[:1] in ("\t", "\r", "\n") else value


def _hash(seed: int, name: str) -> str:
    return rank_by_hash("sheet", seed, name).hex()
