"""Tiny label sets as committed artifacts."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.labels.audit import agreement_by_type, cell_of
from ifrl_core.records import LABELS

Label = tuple[str, str, int]  # response, constraint text, label


def commit_labels(store: ArtifactStore, train: Sequence[Label], validation: Sequence[Label] = ()) -> ArtifactRef:
    """A labels artifact of (response, constraint, label) triples; each is a rollout and an instruction of its own."""
    parts = (("train", train), ("validation", validation))
    rows = [_row(split, index, *item) for split, part in parts for index, item in enumerate(part)]
    identity = hashlib.sha256(repr(rows).encode()).hexdigest()
    writer = store.writer("labels", 1, identity, {}, {})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=LABELS))
    cells = Counter(cell_of(row, 0) for row in rows if row["split"] == "train")
    return writer.commit({"training_audit": agreement_by_type(cells)})


def commit_contrasts(store: ArtifactStore, contrasts: Sequence[tuple[str, str]], constraint: str) -> ArtifactRef:
    """A labels artifact of (positive, negative) answers to one constraint, each of an instruction of its own."""
    rows = []
    for index, answers in enumerate(contrasts):
        for label, answer in zip((1, 0), answers, strict=True):
            row = _row("train", index, answer, constraint, label)
            rows.append(row | {name: f"{row[name]}-{label}" for name in ("label_id", "rollout_id")})
    identity = hashlib.sha256(repr(rows).encode()).hexdigest()
    writer = store.writer("labels", 1, identity, {}, {})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=LABELS))
    return writer.commit({})


def _row(split: str, index: int, response: str, constraint: str, label: int) -> dict[str, Any]:
    return {
        "label_id": f"{split}-{index}",
        "rollout_id": f"{split}-{index}",
        "constraint": {"type": "toy:toy", "kind": "hard", "text": constraint, "args": "{}"},
        "response": response,
        "label": label,
        "level": 1,
        "split": split,
        "verdict": bool(label),
        "instruction_id": f"{split}-{index}",
    }
