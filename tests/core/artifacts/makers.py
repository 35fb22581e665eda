"""Small artifacts for the tests of the store."""

import os
import time
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore

DAY_S = 86400.0


def table(*values: int) -> pa.Table:
    return pa.table({"a": list(values)})


def commit(
    store: ArtifactStore, stage: str, fingerprint: str, *, shards: int = 2, inputs: dict[str, str] | None = None
) -> ArtifactRef:
    """An artifact of `shards` one-row shards and a JSON file."""
    writer = store.writer(stage, 1, fingerprint, {"k": 1}, inputs or {})
    for index in range(shards):
        writer.write_table(f"part-{index:05d}.parquet", table(index))
    writer.write_json("extra.json", {"x": 1})
    return writer.commit({"shards": shards})


def age(path: Path, seconds: float) -> None:
    """Make every file at or below `path` look as if it was written that long ago."""
    then = time.time() - seconds
    for file in [path, *path.rglob("*")]:
        os.utime(file, (then, then))


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
