"""The policy's training as the report shows it: its curves over steps, where the time went, and what it wrote on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.policy.curriculum import curriculum_stages
from ifrl_core.policy.curve import by_set
from ifrl_core.records import printable

Section = dict[str, Any]
Columns = Mapping[str, Sequence[float | None]]
TYPE = "reward/type/"


@dataclass(frozen=True)
class Chart:
    """`lines`: (name, column of metrics.parquet); `bottom`, `top`: values that the y axis must reach."""

    title: str
    note: str
    lines: tuple[tuple[str, str], ...]
    bottom: float | None = None
    top: float | None = None


CHARTS = (
    Chart(
        "Reward",
        "mean of a step; hard by rules, soft by the RM",
        (("total", "reward/total"), ("hard", "reward/hard"), ("soft", "reward/soft")),
        bottom=0.0,
    ),
    Chart("Answer length", "words", (("words", "length/words"),), bottom=0.0),
    Chart("General problems", "share answered right", (("right", "general/accuracy"),), bottom=0.0, top=1.0),
    Chart(
        "Answers that go wrong as a whole",
        "share of rollouts",
        (("drop the task, by words", "task_dropped"), ("cut off", "clipped_ratio"), ("trip a wire", "hack/any")),
        bottom=0.0,
        top=1.0,
    ),
    Chart(
        "Groups without spread",
        "share whose rollouts all earn the same",
        (("share", "zero_variance_share"),),
        bottom=0.0,
        top=1.0,
    ),
    Chart("Entropy", "nats a token; near 0 nothing is explored", (("entropy", "entropy"),), bottom=0.0),
    Chart("Distance from the base model", "KL, nats a token", (("KL", "kl"),), bottom=0.0),
)


def policy_section(ref: ArtifactRef, store: ArtifactStore) -> Section:
    """{"steps", "stages", "charts", "curve", "figures", "types", "never", "samples"}, empty where the artifact has no such
    table."""
    manifest = store.manifest(ref)
    names = {shard.name for shard in manifest.shards}
    columns: Columns = store.read_table(ref, "metrics.parquet").to_pydict() if "metrics.parquet" in names else {}
    samples = store.read_table(ref, "samples.parquet").to_pylist() if "samples.parquet" in names else []
    points = store.read_table(ref, "curve.parquet").to_pylist() if "curve.parquet" in names else []
    types = {name.removeprefix(TYPE): values for name, values in columns.items() if name.startswith(TYPE)}
    return {
        "figures": manifest.figures,
        "steps": columns.get("step", []),
        "stages": stage_starts(columns, _stages(manifest.config)),
        "charts": _charts(columns),
        "curve": [_curve(name, rows) for name, rows in by_set(points)],
        "types": len(types),
        "never": sorted(name for name, values in types.items() if not any(values)),
        "samples": _one_a_step(samples),
    }


def _stages(config: Mapping[str, Any]) -> list[tuple[int, ...]]:
    curriculum = config.get("curriculum")
    return curriculum_stages(curriculum["strategy"], curriculum["levels"]) if curriculum else []


def stage_starts(columns: Columns, curriculum: Sequence[Sequence[int]]) -> list[tuple[float, str]]:
    """(first step, levels) of each stage of the curriculum that was reached: [(1, "L1"), (7, "L2–3")]."""
    starts: dict[int, float] = {}
    for step, stage in zip(columns.get("step", []), columns.get("stage", []), strict=False):
        if step is not None and stage is not None:
            starts.setdefault(int(stage), step)
    return [(step, _levels(curriculum[stage])) for stage, step in starts.items() if stage < len(curriculum)]


def _levels(levels: Sequence[int]) -> str:
    return f"L{levels[0]}" if len(levels) == 1 else f"L{min(levels)}–{max(levels)}"


def _charts(columns: Columns) -> list[Section]:
    """The charts that have anything to show, each line with its values in the place of its column's name."""
    shown = []
    for chart in CHARTS:
        lines = [(name, columns[column]) for name, column in chart.lines if _measured(columns.get(column))]
        if lines:
            shown.append({**asdict(chart), "lines": lines})
    return shown


def _curve(name: str, points: Sequence[Section]) -> Section:
    """A line of the curve: of one set, its shares and intervals by step."""
    return {
        "set": name.replace("_", "-"),
        "metric": points[-1]["metric"],
        "steps": [row["step"] for row in points],
        "means": [row["mean"] for row in points],
        "band": [(row["mean"], row["mean"]) if row["low"] is None else (row["low"], row["high"]) for row in points],
        "clusters": points[-1]["clusters"],
        "n": points[-1]["n"],
    }


def _measured(column: Sequence[float | None] | None) -> bool:
    return column is not None and any(value is not None for value in column)


def _one_a_step(samples: Sequence[Section]) -> list[Section]:
    """The first sample of each step that has any."""
    first: dict[int, Section] = {}
    for sample in samples:
        first.setdefault(sample["step"], sample)
    return [
        {
            **{key: sample[key] for key in ("step", "prompt_id", "level", "reward")},
            "prompt": printable(sample["prompt"]),
            "response": printable(sample["response"]),
            "parts": json.loads(sample["parts"]),
        }
        for sample in first.values()
    ]
