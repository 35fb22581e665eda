"""Disk that a whole run takes, from the size of the model it starts from."""

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.embedded import gguf_file
from ifrl_core.models.folder import pinned_folder
from ifrl_core.models.stage import ModelSource, import_model
from ifrl_core.models.uri import form
from ifrl_core.stages.registry import Plan

# Two models in bf16, and at most two checkpoints at once of float32 weights with AdamW's two moments: 2 x 2 + 2 x 12 bytes a
# parameter.
_TIMES_THE_WEIGHTS = 14
_BF16_OF_4_BITS = 3  # 4 bits and scales become 16


def training_disk_bytes(plan: Plan) -> int:
    """About what a run writes whose training starts from the model of its plan."""
    source = plan[import_model.label]
    assert isinstance(source, ModelSource)
    if form(source.uri) == "embedded":
        weights = _BF16_OF_4_BITS * gguf_file(source.uri).stat().st_size
    else:
        folder = pinned_folder(source.uri, source.pinned, source.digest, {})
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return _TIMES_THE_WEIGHTS * weights


def training_disk_bytes_from(ref: ArtifactRef, store: ArtifactStore) -> int:
    """The same where training starts from a model in the store."""
    return _TIMES_THE_WEIGHTS * sum(
        shard.size for shard in store.manifest(ref).shards if shard.name.endswith(".safetensors")
    )
