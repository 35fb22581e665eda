"""The number format that a model computes in here: the one place that decides."""

import logging

import torch

from ifrl_core.config import Dtype

log = logging.getLogger(__name__)

_CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16")  # as torch.cpu.get_capabilities names them


def device_here() -> str:
    """cuda where there is a GPU, else cpu: where models of one process are put."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_dtype(wanted: Dtype = "bfloat16", device: str | None = None) -> Dtype:
    """`wanted`, or float32 where that is bfloat16 and `device` (none: `device_here`) only emulates it, which the log says.

    >>> usable_dtype("float32")
    'float32'
    """
    device = device or device_here()
    if wanted != "bfloat16" or computes_in_bfloat16(device):
        return wanted
    log.info("this %s does not compute in bfloat16: float32 instead", "GPU" if device == "cuda" else "processor")
    return "float32"


def computes_in_bfloat16(device: str) -> bool:
    """Whether its bfloat16 is arithmetic of the device itself."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in _CPU_BFLOAT16)
