"""The most memory that a training process has held in a step, as live metrics; and what it frees, given back."""

import ctypes
import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # proc(5), clear_refs


def peak_memory_gib() -> dict[str, float]:
    """Since the last call: `memory/process_gib`, peak resident memory; on CUDA `memory/gpu_gib`, peak allocated on its GPU.

    Where the kernel does not let a process reset its peak, that of the process so far.
    """
    peak = {"memory/process_gib": _peak_resident_kib() / 2**20}
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
    if torch.cuda.is_available():
        peak["memory/gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
    return peak


def _peak_resident_kib() -> int:
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


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
