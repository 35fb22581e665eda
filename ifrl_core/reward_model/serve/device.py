"""Whether an error says that the device is gone for this process, and not only this batch."""

import re

# Errors after which every further call in the process fails: the CUDA (or HIP) context is spoilt. As torch words them; torch
# 2.8 and newer raise most of them as AcceleratorError, libraries as plain RuntimeError.
_WORDS = re.compile(
    r"(CUDA|HIP|hipError|cuda runtime|NCCL) ?error|device-side assert|illegal (memory access|instruction)|"
    r"CU(BLAS|DNN|SOLVER|SPARSE)_STATUS|cuDNN error|unspecified launch failure|uncorrectable ECC|device (lost|unavailable)|"
    r"no CUDA GPUs are available|GPU is lost|misaligned address",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"out of memory|_STATUS_ALLOC_FAILED", re.IGNORECASE)  # of one batch: a smaller one may fit
_LONGEST = 200


def device_fault(error: BaseException) -> str:
    """The first line of an error that only a new process mends, its causes included; empty for any other."""
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen)
        named = type(seen).__name__ == "AcceleratorError" or (isinstance(seen, RuntimeError) and _WORDS.search(text))
        if named and not _MEMORY.search(text):
            return f"{type(seen).__name__}: {text}".splitlines()[0][:_LONGEST]
        seen = seen.__cause__ or seen.__context__
    return ""
