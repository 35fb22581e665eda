"""Writing one artifact: file by file, each whole or not there; the manifest last, and the first one wins."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts import files
from ifrl_core.artifacts.cost import Cost
from ifrl_core.artifacts.digest import check_digest, digest_of_bytes, digest_of_file, digest_of_stored
from ifrl_core.artifacts.layout import Layout
from ifrl_core.artifacts.locks import Check
from ifrl_core.artifacts.manifest import MANIFEST, ArtifactRef, Manifest, ShardRecord, parquet_table


class ArtifactWriter:
    """Writes the files of one artifact; `commit` makes them an artifact. Files committed before a kill are kept."""

    def __init__(
        self,
        layout: Layout,
        stage: str,
        version: int,
        fingerprint: str,
        config: dict[str, Any],
        inputs: dict[str, str],
    ) -> None:
        self._layout, self._stage, self._version = layout, stage, version
        self._fingerprint, self._config, self._inputs = fingerprint, config, inputs
        self._folder = layout.folder(stage, fingerprint)
        self._records: dict[str, ShardRecord] = {}
        self._checks: list[Check] = []  # of the locks that are held
        self._earlier = Cost()

    @contextmanager
    def alone(self, part: str = "") -> Iterator[None]:
        """Be the only run that makes this artifact, or its file `part`; wait while another one is.

        What the other run made is there afterwards: look for it. Files written inside are written only while the lock
        is held.
        """
        with self._layout.lock(self._stage, self._fingerprint, part) as check:
            self._checks.append(check)
            try:
                yield
            finally:
                self._checks.remove(check)

    def recorded(self, name: str) -> ShardRecord | None:
        """The record of a file that is already there, or None when it has to be made.

        An earlier, killed run left the file and its record, or another run committed the artifact in the meantime.

        Raises:
            ArtifactError: when the file is there and its digest is not the recorded one.
        """
        record = self._left(name) or self._committed(name)
        path = f"{self._folder}/{name}"
        if record is None or not files.exists(self._layout.fs, path):
            return None
        check_digest(path, digest_of_stored(self._layout.fs, path), record.sha256)
        self._records[name] = record
        self._earlier += record.cost
        return record

    def once(self, name: str, make: Callable[[], ShardRecord]) -> ShardRecord:
        """The record of a file: found if another run left it, else of what `make` writes while no other run does."""
        if record := self.recorded(name):
            return record
        with self.alone(name):
            return self.recorded(name) or make()

    def write_table(
        self, name: str, table: pa.Table, *, cost: Cost | None = None, made_with: Mapping[str, str] | None = None
    ) -> ShardRecord:
        """Write one Parquet shard (zstd) and its record."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return self._write(name, buffer.getvalue(), table.num_rows, cost, resumable=True, made_with=made_with)

    def names(self) -> list[str]:
        """The files written or found so far, in the order of the manifest."""
        return sorted(self._records)

    def read_table(self, name: str) -> pa.Table:
        """A shard written or found by this writer."""
        return parquet_table(files.read_bytes(self._layout.fs, f"{self._folder}/{name}"))

    def write_bytes(self, name: str, data: bytes) -> ShardRecord:
        return self._write(name, data)

    def write_json(self, name: str, value: Any) -> ShardRecord:
        return self._write(name, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())

    def write_folder(self, source: Path, *, prefix: str) -> None:
        """Copy every file below `source` (a saved model) to `prefix`/...

        Raises:
            ChangedError: when somebody writes to one of them meanwhile.
        """
        for path in sorted(item for item in source.rglob("*") if item.is_file()):
            name = f"{prefix}/{path.relative_to(source).as_posix()}"
            self._check_locks()
            with files.unchanged(path):
                files.put_file(self._layout.fs, path, f"{self._folder}/{name}")
                digest = digest_of_file(path)
            self._records[name] = ShardRecord(name=name, rows=0, size=path.stat().st_size, sha256=digest)

    def commit(
        self,
        figures: Mapping[str, Any],
        *,
        cost: Cost | None = None,
        content: Mapping[str, str] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> ArtifactRef:
        """Write the manifest. Its cost is `cost`, plus that of shards found already made; `shards` of its provenance are what
        these were made with.

        When another run committed this artifact first, its manifest stays and its reference is returned.
        """
        manifest = Manifest(
            stage=self._stage,
            version=self._version,
            fingerprint=self._fingerprint,
            config=self._config,
            inputs=self._inputs,
            shards=[self._records[name] for name in sorted(self._records)],
            figures=dict(figures),
            cost=(cost or Cost()) + self._earlier,
            content=dict(content or {}),
            provenance={**(provenance or {}), **self._made_with()},
        )
        self._check_locks()
        data = (manifest.model_dump_json(indent=2) + "\n").encode()
        if not files.create_bytes(self._layout.fs, f"{self._folder}/{MANIFEST}", data):
            manifest = self._layout.read_manifest(self._stage, self._fingerprint)
        return self._layout.ref(manifest)

    def _made_with(self) -> dict[str, list[dict[str, str]]]:
        told = [record.made_with for _, record in sorted(self._records.items()) if record.made_with]
        different = [item for place, item in enumerate(told) if item not in told[:place]]
        return {"shards": different} if different else {}

    def _left(self, name: str) -> ShardRecord | None:
        try:
            return ShardRecord.model_validate_json(files.read_bytes(self._layout.fs, f"{self._folder}/{name}.json"))
        except (FileNotFoundError, ValueError):
            return None

    def _committed(self, name: str) -> ShardRecord | None:
        try:
            shards = self._layout.read_manifest(self._stage, self._fingerprint).shards
        except FileNotFoundError:
            return None
        return next((shard for shard in shards if shard.name == name), None)

    def _write(
        self,
        name: str,
        data: bytes,
        rows: int = 0,
        cost: Cost | None = None,
        *,
        resumable: bool = False,
        made_with: Mapping[str, str] | None = None,
    ) -> ShardRecord:
        record = ShardRecord(
            name=name,
            rows=rows,
            size=len(data),
            sha256=digest_of_bytes(data),
            cost=cost or Cost(),
            made_with=dict(made_with or {}),
        )
        self._check_locks()
        files.write_bytes(self._layout.fs, f"{self._folder}/{name}", data)
        if resumable:
            files.write_bytes(self._layout.fs, f"{self._folder}/{name}.json", record.model_dump_json().encode())
        self._records[name] = record
        return record

    def _check_locks(self) -> None:
        for check in self._checks:
            check()
