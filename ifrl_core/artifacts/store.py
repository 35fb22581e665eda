"""The artifact store: one folder per fingerprint, shards first, `manifest.json` last.

    <root>/<stage>/<fingerprint>/part-00000.parquet      a shard: committed by rename (or one whole upload)
    <root>/<stage>/<fingerprint>/part-00000.parquet.json its record: rows, bytes, sha256, cost
    <root>/<stage>/<fingerprint>/manifest.json           every record; no manifest, no artifact

A killed stage leaves committed shards; the next run finds them by their records and makes only what is missing.
"""

import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.digest import check_digest, digest_of_bytes, digest_of_file, digest_of_stored, digest_once
from ifrl_core.artifacts.manifest import MANIFEST, ArtifactRef, Manifest, ShardRecord, parquet_table
from ifrl_core.artifacts.writer import ArtifactWriter
from ifrl_core.errors import ArtifactError
from ifrl_core.settings import cache_folder

log = logging.getLogger(__name__)
PROBE = ".probe-"


class ArtifactStore:
    """Committed artifacts under `root` (a folder or s3://bucket/prefix)."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
        self.fs, self.base = files.filesystem(self.root)

    def folder(self, stage: str, fingerprint: str) -> str:
        return f"{self.base}/{stage}/{fingerprint}"

    def check_writable(self, *, need_bytes: int = 0) -> None:
        """Fail before compute where it can be known that the root cannot take what will be written.

        Raises:
            ArtifactError: when a probe cannot be written and read back, or the disk has less than `need_bytes` free.
        """
        probe = f"{self.base}/{PROBE}{uuid.uuid4().hex}"
        try:
            files.write_bytes(self.fs, probe, b"ifrl")
            self.fs.rm_file(probe)
        except Exception as error:
            raise ArtifactError(f"the store root {self.root} cannot be written: {error}") from error
        if files.is_local(self.fs):
            free = shutil.disk_usage(self.base).free
            if free < need_bytes:
                raise ArtifactError(
                    f"the store root {self.root} has {free / 2**20:,.0f} MiB free; this run needs about "
                    f"{need_bytes / 2**20:,.0f} MiB. Free some space or name another root"
                )

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """A local folder for work in progress (checkpoints) of this fingerprint; not part of the artifact."""
        return self.scratch_folder / work_name(stage, fingerprint)

    def checkpoints(self, stage: str, fingerprint: str) -> str:
        """A folder in the store for work in progress, which another machine can go on from; not part of the artifact."""
        return f"{self.folder(stage, fingerprint)}/checkpoints"

    def clear_work(self, stage: str, fingerprint: str) -> None:
        """Remove work in progress, here and in the store, once the artifact is committed; `gc` takes what cannot go now."""
        shutil.rmtree(self.scratch(stage, fingerprint), ignore_errors=True)
        folder = self.checkpoints(stage, fingerprint)
        try:
            for file in files.listing(self.fs, folder):
                files.remove(self.fs, f"{folder}/{file.path}")
        except ArtifactError as error:
            log.warning("checkpoints of a finished %s stay until `ifrl store gc`: %s", stage, error)

    @property
    def scratch_folder(self) -> Path:
        return Path(self.base) / ".scratch" if files.is_local(self.fs) else cache_folder() / "scratch"

    @property
    def lock_folder(self) -> str:
        return f"{self.base}/{locks.FOLDER}"

    def lock(self, stage: str, fingerprint: str, part: str = "") -> AbstractContextManager[locks.Check]:
        """The lock of an artifact, or of one file of it, that is being made; see `ArtifactWriter.alone`."""
        name = "-".join(filter(None, (work_name(stage, fingerprint), part)))
        what = f"{stage} {fingerprint[:12]} {part}".rstrip()
        return locks.locked(self.fs, f"{self.lock_folder}/{name}{locks.SUFFIX}", what)

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
        document = config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config)
        return ArtifactWriter(self, stage, version, fingerprint, document, dict(inputs))

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
                _check_once(Path(source) / shard.name, shard)
            return Path(source) / prefix
        target = cache_folder() / "artifacts" / ref.digest
        for shard in shards:
            local = target / shard.name
            if local.exists() and local.stat().st_size == shard.size:
                continue
            local.parent.mkdir(parents=True, exist_ok=True)
            partial = local.with_name(f"{files.TEMPORARY}{uuid.uuid4().hex}-{local.name}")
            files.get_file(self.fs, f"{source}/{shard.name}", partial)
            check_digest(f"{source}/{shard.name}", digest_of_file(partial), shard.sha256)
            partial.replace(local)
        return target / prefix

    def verify(self, ref: ArtifactRef) -> None:
        """Re-hash every file of an artifact. Raises ArtifactError at the first that is missing or altered."""
        for shard in self.manifest(ref).shards:
            path = f"{self.folder(ref.stage, ref.fingerprint)}/{shard.name}"
            with _named(path):
                check_digest(path, digest_of_stored(self.fs, path), shard.sha256)

    def _shard_bytes(self, ref: ArtifactRef, shard: ShardRecord) -> bytes:
        path = f"{self.folder(ref.stage, ref.fingerprint)}/{shard.name}"
        with _named(path):
            data = files.read_bytes(self.fs, path)
        check_digest(path, digest_of_bytes(data), shard.sha256)
        return data

    def read_manifest(self, stage: str, fingerprint: str) -> Manifest:
        data = files.read_bytes(self.fs, f"{self.folder(stage, fingerprint)}/{MANIFEST}")
        try:
            return Manifest.model_validate_json(data)
        except ValueError as error:
            raise ArtifactError(
                f"{stage}/{fingerprint}/{MANIFEST} in {self.root} is not a manifest: {error}"
            ) from error

    def ref(self, manifest: Manifest) -> ArtifactRef:
        """What stages pass on for the artifact of `manifest`."""
        return ArtifactRef(
            stage=manifest.stage,
            uri=f"{self.root}/{manifest.stage}/{manifest.fingerprint}",
            fingerprint=manifest.fingerprint,
            digest=manifest.digest,
            rows=sum(shard.rows for shard in manifest.shards if shard.name.startswith("part-")),
            schema_version=manifest.schema_version,
        )


def work_name(stage: str, fingerprint: str) -> str:
    """What the scratch folder and the lock of an artifact are called: short enough for any disk."""
    return f"{stage}-{fingerprint[:32]}"


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Inside, a file that is not there is one that a manifest names."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing although its manifest names it") from error


def _check_once(path: Path, shard: ShardRecord) -> None:
    with _named(str(path)):
        digest = digest_once(path)
    check_digest(str(path), digest, shard.sha256)
