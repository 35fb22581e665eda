"""The artifact store: one folder per fingerprint, shards first, `manifest.json` last (layout.py draws it).

A killed stage leaves committed shards; the next run finds them by their records and makes only what is missing.
"""

import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from ifrl_core.artifacts import files
from ifrl_core.artifacts.digest import check_digest, digest_of_bytes, digest_of_stored, digest_once
from ifrl_core.artifacts.download import download
from ifrl_core.artifacts.layout import Layout
from ifrl_core.artifacts.manifest import ArtifactRef, Manifest, ShardRecord, parquet_table
from ifrl_core.artifacts.writer import ArtifactWriter
from ifrl_core.errors import ArtifactError, StoreOutageError
from ifrl_core.records import Row
from ifrl_core.settings import cache_folder
from ifrl_core.text.masking import masked_document

log = logging.getLogger(__name__)


class ArtifactStore(Layout):
    """Committed artifacts under `root` (a folder or s3://bucket/prefix)."""

    def check_writable(self, *, need_bytes: int = 0) -> None:
        """Fail before compute where it can be known that the root cannot take what will be written.

        Raises:
            ArtifactError: when a probe cannot be written and removed, or the disk has less than `need_bytes` free.
        """
        probe = f"{self.base}/{files.PROBE}{uuid.uuid4().hex}"
        try:
            files.write_bytes(self.fs, probe, b"ifrl")
            files.remove(self.fs, probe)
        except (StoreOutageError, FileNotFoundError) as error:
            raise ArtifactError(f"the store root {self.root} cannot be written: {error}") from error
        if self.is_local:
            free = shutil.disk_usage(self.base).free
            if free < need_bytes:
                raise ArtifactError(
                    f"the store root {self.root} has {free / 2**20:,.0f} MiB free; this run needs about "
                    f"{need_bytes / 2**20:,.0f} MiB. Free some space or name another root"
                )

    def find(self, stage: str, fingerprint: str) -> ArtifactRef | None:
        """The committed artifact of this fingerprint, or None when there is no manifest."""
        try:
            manifest = self.read_manifest(stage, fingerprint)
        except FileNotFoundError:
            return None
        return self.ref(manifest)

    def manifest(self, ref: ArtifactRef) -> Manifest:
        """The manifest of `ref`.

        Raises:
            ArtifactError: when it is gone, or no longer says what the reference says.
        """
        try:
            manifest = self.read_manifest(ref.stage, ref.fingerprint)
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
    ) -> ArtifactWriter:
        document = masked_document(config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config))
        return ArtifactWriter(self, stage, version, fingerprint, document, dict(inputs))

    def clear_work(self, stage: str, fingerprint: str) -> None:
        """Remove work in progress, here and in the store, once the artifact is committed; `gc` takes what cannot go now."""
        shutil.rmtree(self.scratch(stage, fingerprint), ignore_errors=True)
        folder = self.checkpoints(stage, fingerprint)
        try:
            for file in files.listing(self.fs, folder):
                files.remove(self.fs, f"{folder}/{file.path}")
        except ArtifactError as error:
            log.warning("checkpoints of a finished %s stay until `ifrl store gc`: %s", stage, error)

    def read_bytes(self, ref: ArtifactRef, name: str) -> bytes:
        """The content of one file, checked against the manifest's sha256.

        Raises:
            ArtifactError: naming the file, when it is missing or its digest is wrong.
        """
        for shard in self.manifest(ref).shards:
            if shard.name == name:
                return self._shard_bytes(ref, shard)
        raise ArtifactError(f"{ref.uri} holds no {name}")

    def read_json(self, ref: ArtifactRef, name: str) -> Any:
        return json.loads(self.read_bytes(ref, name))

    def read_table(self, ref: ArtifactRef, name: str) -> pa.Table:
        return parquet_table(self.read_bytes(ref, name))

    def tables(self, ref: ArtifactRef, *, prefix: str = "part-") -> Iterator[pa.Table]:
        """The shards whose name starts with `prefix`, in order, one in memory at a time."""
        for shard in self.manifest(ref).shards:
            if shard.name.startswith(prefix) and shard.name.endswith(".parquet"):
                yield parquet_table(self._shard_bytes(ref, shard))

    def rows(self, ref: ArtifactRef, *, prefix: str = "part-") -> Iterator[Row]:
        """The rows of all shards, in order, with bounded memory."""
        for table in self.tables(ref, prefix=prefix):
            yield from table.to_pylist()

    def local_folder(self, ref: ArtifactRef, *, prefix: str = "", without: str = "") -> Path:
        """A local folder that holds the artifact's files below `prefix`, digests checked; those whose names end in `without`
        may be missing.

        On a local store it is the artifact's own folder (read only, please); from an object store the files are
        downloaded once into the user's cache folder.

        Raises:
            ArtifactError: when a file is missing or its digest is wrong.
        """
        folder = cache_folder() / "artifacts" / ref.digest
        if self.is_local:
            folder = Path(self.folder(ref.stage, ref.fingerprint))
        for shard in self.manifest(ref).shards:
            if not shard.name.startswith(prefix) or (without and shard.name.endswith(without)):
                continue
            path = self._path(ref, shard)
            with _named(path):
                if self.is_local:
                    check_digest(path, digest_once(Path(path)), shard.sha256)
                else:
                    download(self.fs, path, folder / shard.name, size=shard.size, digest=shard.sha256)
        return folder / prefix

    def verify(self, ref: ArtifactRef) -> None:
        """Re-hash every file of an artifact. Raises ArtifactError at the first that is missing or altered."""
        for shard in self.manifest(ref).shards:
            path = self._path(ref, shard)
            with _named(path):
                check_digest(path, digest_of_stored(self.fs, path), shard.sha256)

    def _shard_bytes(self, ref: ArtifactRef, shard: ShardRecord) -> bytes:
        path = self._path(ref, shard)
        with _named(path):
            data = files.read_bytes(self.fs, path)
        check_digest(path, digest_of_bytes(data), shard.sha256)
        return data

    def _path(self, ref: ArtifactRef, shard: ShardRecord) -> str:
        return f"{self.folder(ref.stage, ref.fingerprint)}/{shard.name}"


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Inside, a file that is not there is one that a manifest names."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing although its manifest names it") from error
