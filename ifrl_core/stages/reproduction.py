"""A run held against an earlier one of the same recipe: which stages made the same, which did not, and what made them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest
from ifrl_core.errors import ArtifactError
from ifrl_core.stages.differences import Difference, differences

Outcome = Literal["agrees", "differs", "not compared", "not made"]
MADE_BY = ("stage", "version", "config", "content", "how", "provenance")  # differences that may be the cause of others
_MEASURED = ("seconds/", "memory/", "tokens_per_second")  # columns that say how a run went, not what it made
_VIEWS = ("report",)  # stages that show how long others took


@dataclass(frozen=True)
class StageCompared:
    """A stage of both runs: digests (None where a run has none), files that differ, and how what made them differs."""

    stage: str
    outcome: Outcome
    first: str | None
    second: str | None
    files: list[str]
    made_by: list[Difference]


Side = tuple[ArtifactStore, Mapping[str, Any]]  # a run's store and its record


def compared_runs(first: Side, second: Side) -> list[StageCompared]:
    """The stages of the first run, in its order."""
    refs = [
        {label: ArtifactRef.model_validate(ref) for label, ref in record["refs"].items()}
        for _, record in (first, second)
    ]
    return [_stage(label, first[0], ref, second[0], refs[1].get(label)) for label, ref in refs[0].items()]


def causes(stages: Sequence[StageCompared]) -> list[tuple[str, Difference]]:
    """What made them differ, each difference once, with the first stage that has it."""
    found: dict[str, tuple[str, Difference]] = {}
    for stage in stages:
        for item in stage.made_by:
            found.setdefault(json.dumps([item.part, item.name, item.first, item.second]), (stage.stage, item))
    return list(found.values())


def _stage(
    label: str, store: ArtifactStore, ref: ArtifactRef, again: ArtifactStore, made: ArtifactRef | None
) -> StageCompared:
    if made is None:
        return StageCompared(label, "not made", ref.digest, None, [], [])
    try:
        manifests = store.manifest(ref), again.manifest(made)
    except ArtifactError:  # one of them has been removed since: its reference still says what it held
        outcome: Outcome = "agrees" if ref.digest == made.digest else "differs"
        return StageCompared(label, outcome, ref.digest, made.digest, [], [])
    made_by = [item for item in differences(*manifests) if item.part in MADE_BY]
    if ref.stage in _VIEWS:
        return StageCompared(label, "not compared", ref.digest, made.digest, [], made_by)
    files = _differing_files(manifests, (store, ref), (again, made))
    return StageCompared(label, "differs" if files else "agrees", ref.digest, made.digest, files, made_by)


def _differing_files(
    manifests: tuple[Manifest, Manifest],
    first: tuple[ArtifactStore, ArtifactRef],
    second: tuple[ArtifactStore, ArtifactRef],
) -> list[str]:
    digests = [{shard.name: shard.sha256 for shard in manifest.shards} for manifest in manifests]
    names = dict.fromkeys([*digests[0], *digests[1]])
    return [
        name
        for name in names
        if digests[0].get(name) != digests[1].get(name)
        and not (name in digests[0] and name in digests[1] and _same_rows(name, first, second))
    ]


def _same_rows(name: str, first: tuple[ArtifactStore, ArtifactRef], second: tuple[ArtifactStore, ArtifactRef]) -> bool:
    """Whether two tables hold the same, measured times aside; other files are told by their bytes."""
    if not name.endswith(".parquet"):
        return False
    tables = [_without_times(store.read_table(ref, name)) for store, ref in (first, second)]
    return tables[0].equals(tables[1]) or repr(tables[0].to_pylist()) == repr(
        tables[1].to_pylist()
    )  # NaN equals no NaN


def _without_times(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if not name.startswith(_MEASURED)])
