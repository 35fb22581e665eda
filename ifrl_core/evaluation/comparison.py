"""Before against after: differences on the same prompts with a paired bootstrap 95% interval, resampled by prompt family.

The unit of resampling is the instruction (held-out seed) for constraint satisfaction and the prompt for IFEval and general
problems, because constraints of one answer are not independent.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.intervals import Interval, paired_bootstrap

Row = dict[str, Any]
IFEVAL_METRICS = ("prompt_strict", "prompt_loose", "inst_strict", "inst_loose")


@stage("comparison", version=3)
def compare(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: before, after (evaluations). All differences are in percentage points, after minus before."""
    before, after = list(work.store.rows(inputs["before"])), list(work.store.rows(inputs["after"]))
    figures: Figures = {"hard": _compare_kind(before, after, "hard"), "soft": _compare_kind(before, after, "soft")}
    ifeval = _compare_ifeval(inputs, work.store)
    if ifeval:
        figures["ifeval"] = ifeval
    general = _compare_general(inputs, work.store)
    if general:
        figures["general"] = general
    figures["answer"] = {
        "length_words": _compare_answers(before, after, lambda row: len(row["text"].split()), scale=1.0),
        "task_dropped": _compare_answers(before, after, lambda row: row["task_dropped"], scale=100.0),
        "hacked": _compare_answers(before, after, lambda row: bool(row["tripped"]), scale=100.0),
        "truncated": _compare_answers(before, after, lambda row: row["finish_reason"] == "length", scale=100.0),
    }
    work.writer.write_json("comparison.json", figures)
    return figures


def _compare_kind(before: Sequence[Row], after: Sequence[Row], kind: str) -> Figures:
    pairs = [pair for old, new in zip(before, after, strict=True) for pair in _constraint_pairs(old, new, kind)]
    types, levels = sorted({p["type"] for p in pairs}), sorted({p["level"] for p in pairs})
    return {
        "overall": _difference(pairs),
        "by_type": {name: _difference([p for p in pairs if p["type"] == name]) for name in types},
        "by_level": {str(level): _difference([p for p in pairs if p["level"] == level]) for level in levels},
    }


def _constraint_pairs(old: Row, new: Row, kind: str) -> list[Row]:
    assert (old["prompt_id"], old["sample"]) == (new["prompt_id"], new["sample"]), (
        "evaluations are not of the same prompts"
    )
    field = "verdict" if kind == "hard" else "probability"
    return [
        {
            "type": a["type"],
            "level": old["level"],
            "cluster": old["instruction_id"],
            "before": a[field],
            "after": b[field],
        }
        for a, b in zip(old["verdicts"], new["verdicts"], strict=True)
        if a["kind"] == kind and a[field] is not None and b[field] is not None
    ]


def _difference(pairs: Sequence[Row], *, scale: float = 100.0) -> Figures:
    """{"before", "after", "mean", "low", "high", "n", "units"}: means and their difference times `scale`; nulls when n is 0.

    `n` counts pairs, `units` what was resampled (instructions or prompts).
    """
    if not pairs:
        return {"before": None, "after": None, "mean": None, "low": None, "high": None, "n": 0, "units": 0}
    before = np.array([float(p["before"]) for p in pairs]) * scale
    after = np.array([float(p["after"]) for p in pairs]) * scale
    interval: Interval = paired_bootstrap(before, after, clusters=np.array([p["cluster"] for p in pairs]))
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": len(pairs),
        "units": interval.units,
    }


def _compare_answers(
    before: Sequence[Row], after: Sequence[Row], value: Callable[[Row], float], *, scale: float
) -> Figures:
    pairs = [
        {"before": value(old), "after": value(new), "cluster": old["instruction_id"]}
        for old, new in zip(before, after, strict=True)
    ]
    return _difference(pairs, scale=scale)


def _compare_ifeval(inputs: Inputs, store: ArtifactStore) -> Figures:
    before, after = (_rows_of("ifeval.parquet", inputs[name], store) for name in ("before", "after"))
    if not before:
        return {}
    figures = {}
    for metric in IFEVAL_METRICS:
        unit, rule = metric.split("_")
        pairs = [
            {"before": a, "after": b, "cluster": str(old["key"])}
            for old, new in zip(before, after, strict=True)
            for a, b in zip(_marks(old[rule], unit), _marks(new[rule], unit), strict=True)
        ]
        figures[metric] = _difference(pairs)
    return figures


def _marks(marks: list[bool], unit: str) -> list[bool]:
    """Prompt level: one mark, all followed; instruction level: one mark each (Zhou et al., arXiv 2311.07911)."""
    return [all(marks)] if unit == "prompt" else marks


def _compare_general(inputs: Inputs, store: ArtifactStore) -> Figures:
    """Accuracy on problems that both sides could check."""
    before, after = (_rows_of("general.parquet", inputs[name], store) for name in ("before", "after"))
    pairs = [
        {"source": old["source"], "before": old["correct"], "after": new["correct"], "cluster": old["prompt_id"]}
        for old, new in zip(before, after, strict=True)
        if old["correct"] is not None and new["correct"] is not None
    ]
    if not before:
        return {}
    sources = sorted({p["source"] for p in pairs})
    by_source = {source: _difference([p for p in pairs if p["source"] == source]) for source in sources}
    return {"overall": _difference(pairs), "by_source": by_source}


def _rows_of(name: str, ref: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """The rows of a table that an evaluation has or, when it was not asked for, has not."""
    if name not in {shard.name for shard in store.manifest(ref).shards}:
        return []
    rows: list[Row] = store.read_table(ref, name).to_pylist()
    return rows
