"""The artifact store: one folder per fingerprint, shards first, `manifest.json` last.

    <root>/<stage>/<fingerprint>/part-00000.parquet      a shard: committed by rename (or one whole upload)
    <root>/<stage>/<fingerprint>/part-00000.parquet.json its record: rows, bytes, sha256, cost
    <root>/<stage>/<fingerprint>/manifest.json           every record; no manifest, no artifact

A killed stage leaves committed shards; the next run finds them by their records and makes only what is missing.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ifrl_core.artifacts import files
from ifrl_core.artifacts.cost import Cost, CostMeter
from ifrl_core.artifacts.fingerprint import canonical_json
from ifrl_core.errors import ArtifactError

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
    """One committed file of an artifact. `rows` is 0 for files that are not tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    size: int
    sha256: str
    cost: Cost = Cost()


class Manifest(BaseModel):
    """The commit record of an artifact: what it was made from, what it holds, what it cost, and its figures."""

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

    @property
    def digest(self) -> str:
        """sha256 over the names and digests of all files: equal data, equal digest, whatever it cost to make."""
        body = canonical_json([[shard.name, shard.sha256] for shard in self.shards])
        return hashlib.sha256(body.encode()).hexdigest()


class ArtifactStore:
    """Committed artifacts under `root` (a folder or s3://bucket/prefix)."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
        self.fs, self._base = files.filesystem(self.root)

    def folder(self, stage: str, fingerprint: str) -> str:
        return f"{self._base}/{stage}/{fingerprint}"

    def check_writable(self, *, need_bytes: int = 0) -> None:
        """Fail before compute where it can be known that the root cannot take what will be written.

        Raises:
            ArtifactError: when a probe cannot be written and read back, or the disk has less than `need_bytes` free.
        """
        probe = f"{self._base}/.probe-{uuid.uuid4().hex}"
        try:
            files.write_bytes(self.fs, probe, b"ifrl")
            self.fs.rm_file(probe)
        except Exception as error:
            raise ArtifactError(f"the store root {self.root} cannot be written: {error}") from error
        if files.is_local(self.fs):
            free = shutil.disk_usage(self._base).free
            if free < need_bytes:
                raise ArtifactError(
                    f"the store root {self.root} has {free / 2**20:,.0f} MiB free; this run needs about "
                    f"{need_bytes / 2**20:,.0f} MiB. Free some space or name another root"
                )

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """A local folder for work in progress (checkpoints) of this fingerprint; not part of the artifact."""
        if files.is_local(self.fs):
            return Path(self._base) / ".scratch" / f"{stage}-{fingerprint[:32]}"
        return cache_folder() / "scratch" / f"{stage}-{fingerprint[:32]}"

    def find(self, stage: str, fingerprint: str) -> ArtifactRef | None:
        """The committed artifact of this fingerprint, or None when there is no manifest."""
        try:
            manifest = self._read_manifest(stage, fingerprint)
        except FileNotFoundError:
            return None
        return self._ref(manifest)

    def manifest(self, ref: ArtifactRef) -> Manifest:
        """The manifest of `ref`.

        Raises:
            ArtifactError: when it is gone, or no longer says what the reference says.
        """
        try:
            manifest = self._read_manifest(ref.stage, ref.fingerprint)
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{ref.uri} has no manifest in {self.root}: it was removed, or never finished"
            ) from error
        if manifest.digest != ref.digest:
            raise ArtifactError(
                f"{ref.uri}: the manifest's digest {manifest.digest} is not the reference's {ref.digest}"
            )
        return manifest

    def writer(
        self,
        stage: str,
        version: int,
        fingerprint: str,
        config: BaseModel | Mapping[str, Any],
        inputs: Mapping[str, str],
    ) -> "ArtifactWriter":
        document = config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config)
        return ArtifactWriter(self, stage, version, fingerprint, document, dict(inputs))

    def read_bytes(self, ref: ArtifactRef, name: str) -> bytes:
        """The content of one file, checked against the manifest's sha256.

        Raises:
            ArtifactError: naming the file, when it is missing or its digest is wrong.
        """
        shard = self._shard(ref, name)
        path = f"{self.folder(ref.stage, ref.fingerprint)}/{name}"
        try:
            data: bytes = self.fs.cat_file(path)
        except FileNotFoundError as error:
            raise ArtifactError(f"{path} is missing although {ref.uri}/{MANIFEST} names it") from error
        _check_digest(path, hashlib.sha256(data).hexdigest(), shard.sha256)
        return data

    def read_json(self, ref: ArtifactRef, name: str) -> Any:
        return json.loads(self.read_bytes(ref, name))

    def read_table(self, ref: ArtifactRef, name: str) -> pa.Table:
        return parquet_table(self.read_bytes(ref, name))

    def tables(self, ref: ArtifactRef, *, prefix: str = "part-") -> Iterator[pa.Table]:
        """The shards whose name starts with `prefix`, in order, one in memory at a time."""
        for shard in self.manifest(ref).shards:
            if shard.name.startswith(prefix) and shard.name.endswith(".parquet"):
                yield self.read_table(ref, shard.name)

    def rows(self, ref: ArtifactRef, *, prefix: str = "part-") -> Iterator[dict[str, Any]]:
        """The rows of all shards, in order, with bounded memory."""
        for table in self.tables(ref, prefix=prefix):
            yield from table.to_pylist()

    def local_folder(self, ref: ArtifactRef, *, prefix: str = "") -> Path:
        """A local folder that holds the artifact's files below `prefix`, digests checked.

        On a local store it is the artifact's own folder (read only, please); from an object store the files are
        downloaded once into the user's cache folder.

        Raises:
            ArtifactError: when a file is missing or its digest is wrong.
        """
        source = f"{self.folder(ref.stage, ref.fingerprint)}"
        shards = [shard for shard in self.manifest(ref).shards if shard.name.startswith(prefix)]
        if files.is_local(self.fs):
            for shard in shards:
                self._check_file(f"{source}/{shard.name}", shard)
            return Path(source) / prefix
        target = cache_folder() / "artifacts" / ref.digest
        for shard in shards:
            local = target / shard.name
            if local.exists() and local.stat().st_size == shard.size:
                continue
            local.parent.mkdir(parents=True, exist_ok=True)
            partial = local.with_name(f"{files.TEMPORARY}{uuid.uuid4().hex}-{local.name}")
            self.fs.get_file(f"{source}/{shard.name}", str(partial))
            local_fs, _ = files.filesystem(str(target))
            _check_digest(f"{source}/{shard.name}", files.sha256_file(local_fs, str(partial)), shard.sha256)
            partial.replace(local)
        return target / prefix

    def verify(self, ref: ArtifactRef) -> None:
        """Re-hash every file of an artifact. Raises ArtifactError at the first that is missing or altered."""
        for shard in self.manifest(ref).shards:
            self._check_file(f"{self.folder(ref.stage, ref.fingerprint)}/{shard.name}", shard)

    def _check_file(self, path: str, shard: ShardRecord) -> None:
        try:
            found = files.sha256_file(self.fs, path)
        except FileNotFoundError as error:
            raise ArtifactError(f"{path} is missing although its manifest names it") from error
        _check_digest(path, found, shard.sha256)

    def _shard(self, ref: ArtifactRef, name: str) -> ShardRecord:
        for shard in self.manifest(ref).shards:
            if shard.name == name:
                return shard
        raise ArtifactError(f"{ref.uri} holds no {name}")

    def _read_manifest(self, stage: str, fingerprint: str) -> Manifest:
        data = self.fs.cat_file(f"{self.folder(stage, fingerprint)}/{MANIFEST}")
        try:
            return Manifest.model_validate_json(data)
        except ValueError as error:
            raise ArtifactError(
                f"{stage}/{fingerprint}/{MANIFEST} in {self.root} is not a manifest: {error}"
            ) from error

    def _ref(self, manifest: Manifest) -> ArtifactRef:
        return ArtifactRef(
            stage=manifest.stage,
            uri=f"{self.root}/{manifest.stage}/{manifest.fingerprint}",
            fingerprint=manifest.fingerprint,
            digest=manifest.digest,
            rows=sum(shard.rows for shard in manifest.shards if shard.name.startswith("part-")),
            schema_version=manifest.schema_version,
        )


class ArtifactWriter:
    """Writes the files of one artifact; `commit` makes them an artifact. Files committed before a kill are kept."""

    def __init__(
        self,
        store: ArtifactStore,
        stage: str,
        version: int,
        fingerprint: str,
        config: dict[str, Any],
        inputs: dict[str, str],
    ) -> None:
        self._store, self._stage, self._version = store, stage, version
        self._fingerprint, self._config, self._inputs = fingerprint, config, inputs
        self._folder = store.folder(stage, fingerprint)
        self._records: dict[str, ShardRecord] = {}
        self._meter = CostMeter()
        self._earlier = Cost()

    def recorded(self, name: str) -> ShardRecord | None:
        """The record of a file that an earlier, killed run committed, or None when it has to be made.

        Raises:
            ArtifactError: when the file is there and its digest is not the recorded one.
        """
        try:
            record = ShardRecord.model_validate_json(self._store.fs.cat_file(f"{self._folder}/{name}.json"))
        except (FileNotFoundError, ValueError):
            return None
        path = f"{self._folder}/{name}"
        if not self._store.fs.exists(path):
            return None
        _check_digest(path, files.sha256_file(self._store.fs, path), record.sha256)
        self._records[name] = record
        self._earlier += record.cost
        return record

    def write_table(self, name: str, table: pa.Table, *, cost: Cost | None = None) -> ShardRecord:
        """Write one Parquet shard (zstd) and its record."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return self._write(name, buffer.getvalue(), rows=table.num_rows, cost=cost, resumable=True)

    def names(self) -> list[str]:
        """The files written or found so far, in the order of the manifest."""
        return sorted(self._records)

    def read_table(self, name: str) -> pa.Table:
        """A shard written or found by this writer."""
        return parquet_table(self._store.fs.cat_file(f"{self._folder}/{name}"))

    def write_bytes(self, name: str, data: bytes) -> ShardRecord:
        return self._write(name, data)

    def write_json(self, name: str, value: Any) -> ShardRecord:
        return self._write(name, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())

    def write_folder(self, source: Path, *, prefix: str) -> None:
        """Copy every file below `source` (a saved model) to `prefix`/..."""
        local_fs, _ = files.filesystem(str(source))
        for path in sorted(item for item in source.rglob("*") if item.is_file()):
            name = f"{prefix}/{path.relative_to(source).as_posix()}"
            files.put_file(self._store.fs, path, f"{self._folder}/{name}")
            digest = files.sha256_file(local_fs, str(path))
            self._records[name] = ShardRecord(name=name, rows=0, size=path.stat().st_size, sha256=digest)

    def commit(self, figures: Mapping[str, Any]) -> ArtifactRef:
        """Write the manifest. Its cost is what this writer measured, plus that of shards found already made."""
        manifest = Manifest(
            stage=self._stage,
            version=self._version,
            fingerprint=self._fingerprint,
            config=self._config,
            inputs=self._inputs,
            shards=[self._records[name] for name in sorted(self._records)],
            figures=dict(figures),
            cost=self._meter.stop() + self._earlier,
        )
        data = (manifest.model_dump_json(indent=2) + "\n").encode()
        files.write_bytes(self._store.fs, f"{self._folder}/{MANIFEST}", data)
        return self._store._ref(manifest)

    def _write(
        self, name: str, data: bytes, *, rows: int = 0, cost: Cost | None = None, resumable: bool = False
    ) -> ShardRecord:
        record = ShardRecord(
            name=name, rows=rows, size=len(data), sha256=hashlib.sha256(data).hexdigest(), cost=cost or Cost()
        )
        files.write_bytes(self._store.fs, f"{self._folder}/{name}", data)
        if resumable:
            files.write_bytes(self._store.fs, f"{self._folder}/{name}.json", record.model_dump_json().encode())
        self._records[name] = record
        return record


def parquet_table(data: bytes) -> pa.Table:
    """A shard's table. Without pyarrow's threads: with them a process that ends soon after can abort (pyarrow 25)."""
    return pq.read_table(io.BytesIO(data), use_threads=False)


def cache_folder() -> Path:
    """Where this machine keeps local copies: IFRL_CACHE, or ifrl's folder in the user's cache."""
    named = os.environ.get("IFRL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "ifrl"


def _check_digest(path: str, found: str, expected: str) -> None:
    if found != expected:
        raise ArtifactError(
            f"{path} is corrupted: its sha256 is {found[:16]}…, the record says {expected[:16]}…. It is not used; "
            "remove that artifact's folder to have it made again"
        )
