"""What stages hand to each other: references to committed, content-addressed folders in one store.

Imports go one way: files, digest, manifest; lease, locks; layout; writer, download; store; listing, gc.
"""

from ifrl_core.artifacts.fingerprint import canonical_json, fingerprint
from ifrl_core.artifacts.manifest import ArtifactRef, Manifest, ShardRecord
from ifrl_core.artifacts.store import ArtifactStore
from ifrl_core.artifacts.writer import ArtifactWriter

__all__ = [
    "ArtifactRef",
    "ArtifactStore",
    "ArtifactWriter",
    "Manifest",
    "ShardRecord",
    "canonical_json",
    "fingerprint",
]
