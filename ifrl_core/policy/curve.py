"""The curve of a training: what share of hard constraints the policy satisfies by the rules, at every N-th step.

It is measured on instructions that the policy is not trained on, each asked once, greedily, at the highest level that
training comes to. With `keep: last` they are held-out ones: nothing is chosen by the curve, so they stay what they are. With
`keep: best` the curve chooses a step; so train instructions are set aside for it, some of those that the reward model is not
trained on (`labels.validation_share`), and the held-out ones have no part in the choice.

Soft constraints are left out: the reward model that would judge them is what the policy is trained to please.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ifrl_core.config import MEASURED_AT_MOST
from ifrl_core.records import CONSTRAINT, TURN, Conversation, Message, Row, conversation_of, with_history
from ifrl_core.statistics.by_hash import rank_by_hash, share_by_hash
from ifrl_core.statistics.intervals import cluster_mean

MEASURED = "measured.parquet"  # in the folder of the job: rows of ASKED
HELD_OUT, VALIDATION = "held_out", "validation"
CURVE = "curve"  # of a row of metrics: the points of that step
Ask = Callable[[Sequence[Sequence[Message]]], list[str]]  # the policy's answers to conversations
ASKED = pa.schema(
    [
        ("set", pa.string()),
        ("prompt", pa.list_(TURN)),
        ("prompt_id", pa.string()),
        ("instruction_id", pa.string()),
        ("constraints", pa.list_(CONSTRAINT)),  # the hard ones
        ("conversation", pa.string()),  # JSON: the messages without constraints, where they are known
    ]
)
POINTS = pa.schema(
    [
        ("step", pa.int64()),  # 0: before the first
        ("set", pa.string()),
        ("metric", pa.string()),  # hard: the share of constraints; of a benchmark its headline
        ("mean", pa.float64()),
        (
            "low",
            pa.float64(),
        ),  # of a 95 % interval over clusters: instructions, or what the benchmark has; null of one alone
        ("high", pa.float64()),
        ("clusters", pa.int64()),
        ("n", pa.int64()),  # of constraints, or of the benchmark's marks
    ]
)


def validation_instructions(instructions: Collection[str], share: float, seed: int) -> set[str]:
    """Those set aside, at most MEASURED_AT_MOST: the first in the order by which `labels` sets its validation ones aside."""
    drawn = sorted((share_by_hash("labels", seed, name), name) for name in set(instructions))
    return {name for value, name in drawn[:MEASURED_AT_MOST] if value < share}


def asked_rows(name: str, prompts: Sequence[Row], levels: Collection[int], seed: int) -> list[Row]:
    """Rows of ASKED for the set `name`: of each instruction the prompt of its highest level among `levels`, where that has a
    hard constraint; at most MEASURED_AT_MOST. `prompts`: rows of prompts, in any order."""
    highest: dict[str, Row] = {}
    begun: dict[str, Conversation] = {}
    for row in prompts:
        if row["level"] == 0:
            begun[row["instruction_id"]] = conversation_of(row)
        known = highest.get(row["instruction_id"])
        if row["level"] in levels and (known is None or row["level"] > known["level"]):
            highest[row["instruction_id"]] = row
    asked = [
        {
            "set": name,
            "prompt": row["messages"],
            "prompt_id": row["prompt_id"],
            "instruction_id": row["instruction_id"],
            "constraints": hard,
            "conversation": _packed(begun.get(row["instruction_id"]), row),
        }
        for row in highest.values()
        if (hard := [constraint for constraint in row["constraints"] if constraint["kind"] == "hard"])
    ]
    return sorted(asked, key=lambda row: rank_by_hash("curve", seed, row["instruction_id"]))[:MEASURED_AT_MOST]


def _packed(asked: Conversation | None, row: Row) -> str | None:
    return None if asked is None else json.dumps(with_history(asked, row["messages"]).messages, ensure_ascii=False)


def hard_point(name: str, instructions: Sequence[str], scores: Sequence[float]) -> Row:
    """A point without its step; `scores` of hard constraints in [0, 1], and the instruction of each."""
    # About one half, so that the interval knows how far a share can be from there.
    interval = cluster_mean(np.asarray(scores) - 0.5, clusters=list(instructions), reach=0.5).interval()
    return {
        "set": name,
        "metric": "hard",
        "mean": interval.mean + 0.5,
        "low": interval.low + 0.5,
        "high": interval.high + 0.5,
        "clusters": interval.units,
        "n": len(scores),
    }


def points_of(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of POINTS out of rows of metrics."""
    return [{"step": row["step"], **taken} for row in rows for taken in row.get(CURVE) or ()]


def best_point(points: Sequence[Row], name: str = VALIDATION) -> Row | None:
    """The highest after the first step, the earliest of equal ones: as good, and less far from the base model."""
    candidates = [row for row in points if row["set"] == name and row["step"] > 0]
    return max(candidates, key=lambda row: (row["mean"], -row["step"]), default=None)


def curve_figures(points: Sequence[Row], keep: str) -> dict[str, Any]:
    """{"curve": {set: {"first", "last", "clusters", "measured"}}}, and with `keep: best` "kept": the step, its share with
    the interval, and how many steps it was chosen among. Nothing without points."""
    if not points:
        return {}
    figures: dict[str, Any] = {"curve": {name: _ends(rows) for name, rows in by_set(points)}}
    if keep == "best" and (best := best_point(points)):
        chosen = [row for row in points if row["set"] == VALIDATION and row["step"] > 0]
        figures["kept"] = {name: best[name] for name in ("step", "mean", "low", "high")} | {"of": len(chosen)}
    return figures


def by_set(points: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for name in dict.fromkeys(row["set"] for row in points):
        yield name, [row for row in points if row["set"] == name]


def live_metrics(points: Sequence[Row]) -> dict[str, float]:
    """`held_out/hard`, `held_out/hard_low`, `held_out/hard_high`: what a step's points are called in MLflow."""
    parts = {"mean": "", "low": "_low", "high": "_high"}
    return {
        f"{row['set']}/{row['metric']}{end}": row[part]
        for row in points
        for part, end in parts.items()
        if row[part] is not None
    }


def in_words(points: Sequence[Row]) -> str:
    """For people: "held-out 41% [35, 47]"."""
    return ", ".join(_in_words(row) for row in points)


def _in_words(row: Row) -> str:
    interval = "" if row["low"] is None else f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return f"{row['set'].replace('_', '-')} {row['mean']:.0%}{interval}"


def _ends(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "first": rows[0]["mean"],
        "last": rows[-1]["mean"],
        "clusters": rows[-1]["clusters"],
        "measured": len(rows),
    }
