"""Where things lie under one root, what they are called, and how they are locked.

<root>/<stage>/<fingerprint>/part-00000.parquet       a shard: committed by rename (or one whole upload)
<root>/<stage>/<fingerprint>/part-00000.parquet.json  its record: rows, bytes, sha256, cost
<root>/<stage>/<fingerprint>/manifest.json            every record; no manifest, no artifact
<root>/<stage>/<fingerprint>/checkpoints/             work in progress that another machine can go on from
<root>/.scratch/<stage>-<fingerprint>/                work in progress here (object stores: in the cache folder)
<root>/.locks/<stage>-<fingerprint>[-<file>].lock     who makes an artifact, or one file of it
"""

import re
from contextlib import AbstractContextManager
from pathlib import Path

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.manifest import MANIFEST, ArtifactRef, Manifest
from ifrl_core.errors import ArtifactError, ConfigError
from ifrl_core.settings import cache_folder
from ifrl_core.text.masking import masked

ARTIFACT_FILE = re.compile(r"(?P<stage>[^/.][^/]*)/(?P<fingerprint>[0-9a-f]{64})/(?P<name>.+)")


class Layout:
    """The places of a store whose `root` is a folder or s3://bucket/prefix; `base` is the root as `fs` knows it."""

    def __init__(self, root: str) -> None:
        """
        Raises:
            ConfigError: when the root holds a password.
        """
        if masked(root) != root:
            raise ConfigError(
                f"the store root {root} holds a password, and it is written into every artifact: credentials of an object "
                "store come from the standard variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
            )
        self.root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
        self.fs, self.base = files.filesystem(self.root)

    @property
    def is_local(self) -> bool:
        return files.is_local(self.fs)

    def folder(self, stage: str, fingerprint: str) -> str:
        return f"{self.base}/{stage}/{fingerprint}"

    @property
    def scratch_folder(self) -> Path:
        return Path(self.base) / ".scratch" if self.is_local else cache_folder() / "scratch"

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """A local folder for work in progress (checkpoints) of this fingerprint; not part of the artifact."""
        return self.scratch_folder / work_name(stage, fingerprint)

    def checkpoints(self, stage: str, fingerprint: str) -> str:
        """A folder in the store for work in progress, which another machine can go on from; not part of the artifact."""
        return f"{self.folder(stage, fingerprint)}/checkpoints"

    @property
    def lock_folder(self) -> str:
        return f"{self.base}/{locks.FOLDER}"

    def lock(self, stage: str, fingerprint: str, part: str = "") -> AbstractContextManager[locks.Check]:
        """The lock of an artifact, or of one file of it, that is being made; see `ArtifactWriter.alone`."""
        what = f"{stage} {fingerprint[:12]} {part}".rstrip()
        return locks.locked(self.fs, self.lock_path(stage, fingerprint, part), what)

    def lock_path(self, stage: str, fingerprint: str, part: str = "") -> str:
        name = "-".join(filter(None, (work_name(stage, fingerprint), part)))
        return f"{self.lock_folder}/{name}{locks.SUFFIX}"

    def is_locked(self, stage: str, fingerprint: str) -> bool:
        """Whether a process of any machine holds the lock of an artifact."""
        return locks.is_held(self.fs, self.lock_path(stage, fingerprint))

    def read_manifest(self, stage: str, fingerprint: str) -> Manifest:
        """The manifest of an artifact.

        Raises:
            FileNotFoundError: when there is none.
            ArtifactError: when it cannot be read.
        """
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
