"""The most memory that a training process has held, as live metrics."""

import resource

import torch


def peak_memory_gib() -> dict[str, float]:
    """`memory/process_gib`: peak resident memory so far; on CUDA `memory/gpu_gib`: peak allocated on its GPU."""
    peak = {"memory/process_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}  # Linux: in KiB
    if torch.cuda.is_available():
        peak["memory/gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return peak
