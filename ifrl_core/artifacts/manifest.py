"""The records of the store: what a stage hands on, one file of an artifact, and the commit record."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ifrl_core.artifacts.cost import Cost
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.fingerprint import canonical_json

MANIFEST = "manifest.json"


class ArtifactRef(BaseModel):
    """What stages pass to each other and through Prefect: a few hundred bytes that name a committed artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    uri: str
    fingerprint: str
    digest: str
    rows: int
    schema_version: int = 1


class ShardRecord(BaseModel):
    """One committed file of an artifact. `rows` is 0 for files that are not tables; `made_with`: device, number format of a
    shard, which may come from another machine than the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    size: int
    sha256: str
    cost: Cost = Cost()
    made_with: dict[str, str] = {}


class Manifest(BaseModel):
    """The commit record of an artifact: what it was made from, what it holds, what it cost, and its figures.

    `content`: digests of the code and templates in its identity; `provenance`: what made it (stages/provenance.py). Artifacts
    of earlier versions have neither.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    version: int
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, str]
    shards: list[ShardRecord]
    figures: dict[str, Any]
    cost: Cost
    schema_version: int = 1
    content: dict[str, str] = {}
    provenance: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        """sha256 over the names and digests of all files: equal data, equal digest, whatever it cost to make."""
        body = canonical_json([[shard.name, shard.sha256] for shard in self.shards])
        return digest_of_bytes(body.encode())


def parquet_table(data: bytes) -> pa.Table:
    """A shard's table. Without pyarrow's threads: with them a process that ends soon after can abort (pyarrow 25)."""
    return pq.read_table(io.BytesIO(data), use_threads=False)
