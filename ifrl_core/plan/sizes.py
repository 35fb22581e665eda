"""What the arithmetic of every training shares. Sources: memory.py."""

from ifrl_core.models.shapes import ModelShape

GIB = 2**30
OVERHEAD = 2 * GIB  # CUDA context, NCCL buffers, the allocator's gaps


def gradient_bytes(trained: int, strategy: str) -> float:
    """float32 gradients; DDP keeps its buckets for sending them beside them (gradient_as_bucket_view is off)."""
    return (8 if strategy == "ddp" else 4) * trained


def gathered_layers(shape: ModelShape) -> float:
    """Sharded, two layers and the embedding are whole at a time, in float32."""
    return 4.0 * (2 * shape.layer_parameters + shape.embedding_parameters)


def gib(size: float) -> float:
    return round(size / GIB, 2)
