"""Pairs of constraints that are not independent: a probe that ships with ifrl, of which nothing is ever trained on.

conflict   no answer can satisfy both: all in capital letters, and all in lowercase
coupled    some can, and the one makes the other harder or easier: very detailed, and under 50 words
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from ifrl_core.records import Constraint

Relation = Literal["conflict", "coupled"]


@dataclass(frozen=True)
class Pair:
    """Two constraints by the name of their pair."""

    name: str
    relation: Relation
    first: Constraint
    second: Constraint


def interacting_pairs() -> list[Pair]:
    """The pairs of data/interacting.jsonl."""
    return list(_read(resources.files("ifrl_core").joinpath("data/interacting.jsonl").read_text(encoding="utf-8")))


def _read(text: str) -> Iterator[Pair]:
    for line in text.splitlines():
        row: dict[str, Any] = json.loads(line)
        yield Pair(row["pair"], row["kind"], Constraint(**row["first"]), Constraint(**row["second"]))
