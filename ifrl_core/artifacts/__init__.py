"""What stages hand to each other: references to committed, content-addressed folders in one store."""

from ifrl_core.artifacts.fingerprint import canonical_json, fingerprint
from ifrl_core.artifacts.store import ArtifactRef, ArtifactStore, ArtifactWriter, Manifest, ShardRecord

__all__ = [
    "ArtifactRef",
    "ArtifactStore",
    "ArtifactWriter",
    "Manifest",
    "ShardRecord",
    "canonical_json",
    "fingerprint",
]
