"""The most memory that a training process has held, as live metrics; and what it frees, given back."""

import ctypes
import gc
import resource
import sys
from typing import Any

import torch
from transformers import TrainerCallback


def peak_memory_gib() -> dict[str, float]:
    """`memory/process_gib`: peak resident memory so far; on CUDA `memory/gpu_gib`: peak allocated on its GPU."""
    peak = {"memory/process_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}  # Linux: in KiB
    if torch.cuda.is_available():
        peak["memory/gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return peak


def free_memory() -> None:
    """Give back what models that are gone held: they lie in cycles, and torch keeps a GPU's memory for itself."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MemoryGivenBack(TrainerCallback):
    """Gives freed memory of the machine back after every step.

    Within a step it is kept for speed (launch.KEEP_MEMORY). Rows of a group have as many lengths as there are groups, so that
    pieces of ever other sizes would add up over the steps.
    """

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").malloc_trim(0)
