"""Two runs held against each other: what counts as the same, and what made a difference."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.stages.reproduction import causes, compared_runs

METRICS = {"step": [1, 2], "loss": [0.5, float("nan")]}


def run_in(store: ArtifactStore, torch: str, *, weights: bytes = b"w", seconds: float = 1.0) -> dict[str, Any]:
    """The record of a run of three stages."""
    refs: dict[str, ArtifactRef] = {}
    for stage in ("seeds", "policy", "report"):
        writer = store.writer(stage, 1, stage.encode().hex().ljust(64, "0"), {"max_steps": 2}, {})
        if stage == "policy":
            writer.write_bytes("model/model.safetensors", weights)
            times = {"seconds/step": [seconds] * 2, "tokens_per_second": [1 / seconds] * 2}
            writer.write_table("metrics.parquet", pa.table({**METRICS, **times}))
        else:
            writer.write_json("out.json", [stage, seconds if stage == "report" else 0])
        refs[stage] = writer.commit({}, provenance={"libraries": {"torch": torch}})
    return {"refs": {label: ref.model_dump() for label, ref in refs.items()}}


def outcomes(first: ArtifactStore, tmp_path: Path, **again: Any) -> tuple[dict[str, str], list[Any]]:
    second = ArtifactStore(str(tmp_path / "again"))
    stages = compared_runs((first, run_in(first, "2.1")), (second, run_in(second, **{"torch": "2.1", **again})))
    json.dumps([vars(item) for stage in stages for item in stage.made_by])
    return {stage.stage: f"{stage.outcome} {' '.join(stage.files)}".strip() for stage in stages}, causes(stages)


def test_measured_times_are_no_difference_and_pages_that_show_them_are_not_compared(
    store: ArtifactStore, tmp_path: Path
) -> None:
    found, made_by = outcomes(store, tmp_path, seconds=9.0)
    assert (found, made_by) == ({"seeds": "agrees", "policy": "agrees", "report": "not compared"}, [])


def test_other_weights_differ_by_their_file_and_the_provenance_says_why(store: ArtifactStore, tmp_path: Path) -> None:
    found, made_by = outcomes(store, tmp_path, weights=b"v", torch="2.2")
    assert found["policy"] == "differs model/model.safetensors"
    [(stage, difference)] = made_by
    assert (stage, difference.name, difference.first, difference.second) == ("seeds", "libraries.torch", "2.1", "2.2")


def test_stages_that_the_second_run_did_not_reach_and_artifacts_that_are_gone(
    store: ArtifactStore, tmp_path: Path
) -> None:
    again = ArtifactStore(str(tmp_path / "again"))
    first, second = run_in(store, "2.1"), run_in(again, "2.1", weights=b"v")
    del second["refs"]["report"]
    for path in Path(store.root).rglob("manifest.json"):
        path.unlink()
    found = {stage.stage: stage.outcome for stage in compared_runs((store, first), (again, second))}
    assert found == {"seeds": "agrees", "policy": "differs", "report": "not made"}
