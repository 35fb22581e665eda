"""The tables and figures that a policy artifact carries: metrics.parquet, samples.parquet, and their summary."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.policy.curve import CURVE
from ifrl_core.policy.dialogs import first_asked
from ifrl_core.records import Row, readable
from ifrl_core.stages.stage import Figures
from ifrl_core.training.checkpoints import whole_tables
from ifrl_core.training.clock import AFTER, PARTS

SAMPLES = pa.schema(
    [
        ("step", pa.int64()),
        ("prompt_id", pa.string()),
        ("level", pa.int32()),  # 0: a general problem
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("reward", pa.float64()),  # null when unscored
        ("parts", pa.string()),  # JSON: [[constraint type, score or null], ...]
        ("advantage", pa.float64()),
    ]
)
_SAMPLED_STEPS = 8
_SAMPLES_A_STEP = 4
_ENDS = 5  # steps that "first" and "last" average over


def steps_of(rows: Sequence[Row]) -> list[Row]:
    """Rows of metrics of the steps, without the points of the curve; row 0 holds nothing else."""
    return [{name: value for name, value in row.items() if name != CURVE} for row in rows if row["step"]]


def metrics_table(rows: Sequence[Row]) -> pa.Table:
    """One row per step; a column per metric, null where a step has no value (a type that no prompt of it has)."""
    names = ["step", *sorted({name for row in rows for name in row} - {"step"})]
    types = {name: pa.int64() if name in ("step", "stage") else pa.float64() for name in names}
    return pa.table({name: pa.array([row.get(name) for row in rows], types[name]) for name in names})


def run_figures(rows: Sequence[Row]) -> Figures:
    """Steps, ends of the curves (means of five steps), seconds a step and its split, counts of what gave no signal."""
    return {
        "steps": len(rows),
        "reward_first": _mean(rows[:_ENDS], "reward/total"),
        "reward_last": _mean(rows[-_ENDS:], "reward/total"),
        "task_dropped_first": _mean(rows[:_ENDS], "task_dropped"),
        "task_dropped_last": _mean(rows[-_ENDS:], "task_dropped"),
        "hack_first": _mean(rows[:_ENDS], "hack/any"),
        "hack_last": _mean(rows[-_ENDS:], "hack/any"),
        "gated": _mean(rows, "gated"),
        "length_words_first": _mean(rows[:_ENDS], "length/words"),
        "length_words_last": _mean(rows[-_ENDS:], "length/words"),
        "zero_variance_share": _mean(rows, "zero_variance_share"),
        "seconds_per_step": _mean(rows, "seconds/step"),
        **{f"seconds_{part}": _mean(rows, f"seconds/{part}") for part in ("train", *PARTS, AFTER)},
        "tokens_per_second": _mean(rows, "tokens_per_second"),
        "unscored": round(sum((row.get("unscored_share") or 0) * row["rollouts"] for row in rows)),
    }


def prompts_used(completions: Path) -> int:
    """Different prompts in trl's completions tables."""
    files = completions.glob("completions_*.parquet")
    return len({i for file in files for i in pq.read_table(file, columns=["prompt_id"])["prompt_id"].to_pylist()})


def samples_table(completions: Path) -> pa.Table:
    """A few answers of a few steps out of trl's completions tables (one file a step), one answer per group."""
    files = sorted(completions.glob("completions_*.parquet"))
    chosen = files[:: max(1, len(files) // _SAMPLED_STEPS)]
    if files and chosen[-1] != files[-1]:
        chosen.append(files[-1])
    return pa.Table.from_pylist([row for file in chosen for row in _samples(file)], schema=SAMPLES)


def latest_samples(completions: Path, last_step: int) -> list[Row]:
    """A few answers of the newest table up to `last_step`, as people read them in a table; none before the first."""
    files = whole_tables(completions, last_step)
    return list(_samples(files[-1])) if files else []


def _samples(file: Path) -> Iterator[Row]:
    seen: set[str] = set()
    for row in pq.read_table(file, use_threads=False).to_pylist():
        if row["prompt_id"] in seen or len(seen) == _SAMPLES_A_STEP:
            continue
        seen.add(row["prompt_id"])
        reward, said = row["reward"], row["completion"]
        yield {
            "step": row["step"],
            "prompt_id": row["prompt_id"],
            "level": row["level"],
            "prompt": readable(first_asked(row["prompt"], said)),
            "response": readable(said) if len(said) > 1 else said[-1]["content"],
            "reward": None if reward is None or reward != reward else reward,
            "parts": row["parts"],
            "advantage": row["advantage"],
        }


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [row[name] for row in rows if row.get(name) is not None]
    return fmean(values) if values else None
