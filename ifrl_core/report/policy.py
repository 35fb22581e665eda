"""The policy's training as the report shows it: what every optimizer step measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore

Section = dict[str, Any]
Column = Sequence[float | None]

# (title, note, [(line, column)], bottom and top of the y axis)
CHARTS: tuple[tuple[str, str, tuple[tuple[str, str], ...], float | None, float | None], ...] = (
    (
        "Reward",
        "mean of a step's rollouts",
        (("total", "reward/total"), ("hard", "reward/hard"), ("soft", "reward/soft")),
        0.0,
        None,
    ),
    ("Answer length", "words", (("words", "length_words"),), 0.0, None),
    ("Groups without spread", "share; they give no gradient", (("share", "zero_variance_share"),), 0.0, 1.0),
    ("Task dropped", "share of rollouts", (("share", "task_dropped"),), 0.0, None),
)


def policy_section(ref: ArtifactRef, store: ArtifactStore) -> Section:
    """{"steps", "charts", "facts"}: charts hold the columns of metrics.parquet that a reader needs, facts are scalars."""
    names = {shard.name for shard in store.manifest(ref).shards}
    columns: Mapping[str, Column] = {}
    if "metrics.parquet" in names:
        columns = store.read_table(ref, "metrics.parquet").to_pydict()
    charts = [
        {"title": title, "note": note, "lines": lines, "bottom": bottom, "top": top}
        for title, note, wanted, bottom, top in CHARTS
        if (lines := [(label, columns[name]) for label, name in wanted if _measured(columns.get(name))])
    ]
    figures = store.manifest(ref).figures
    facts = {name: value for name, value in figures.items() if isinstance(value, int | float | str)}
    return {"steps": columns.get("step", []), "charts": charts, "facts": facts}


def _measured(column: Column | None) -> bool:
    return column is not None and any(value is not None for value in column)
