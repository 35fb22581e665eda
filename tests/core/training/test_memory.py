"""What a step held at most, apart from the steps before it."""

import json
import mmap
import os
import subprocess
import sys

import pytest

from ifrl_core.config import LaunchConfig
from ifrl_core.models.dtype import usable_dtype
from ifrl_core.training.launch import environment
from ifrl_core.training.memory import peak_memory_gib
from ifrl_core.training.shape import resolve

_MIB = 2**20

# Of a layer's products, forward and backward, with rows of ever other lengths: MiB in use before and after.
LENGTHS = """
import ctypes, json, torch
class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
libc = ctypes.CDLL("libc.so.6")
libc.mallinfo2.restype = Info
def through(length):
    row = torch.zeros(1, length, 64, dtype=torch.bfloat16, requires_grad=True)
    torch.nn.functional.linear(row, weight).sum().backward()
def in_use():
    return libc.mallinfo2().uordblks / 2**20
weight = torch.zeros(128, 64, dtype=torch.bfloat16, requires_grad=True)
used = [in_use() for begin in (200, 280, 360) if [through(begin + more) for more in range(80)]]
print(json.dumps(used[2] - used[0]))
"""


def peaks() -> tuple[float, float, float]:
    """GiB before 64 MiB were taken, while they were held, and after they were given back."""
    peak_memory_gib()
    before = peak_memory_gib()["memory/process_gib"]
    held = mmap.mmap(-1, 64 * _MIB)  # goes back to the machine when it is closed
    held[::4096] = b"x" * len(held[::4096])
    during = peak_memory_gib()["memory/process_gib"]
    held.close()
    peak_memory_gib()  # freed within this one
    after = peak_memory_gib()["memory/process_gib"]
    return before, during, after


def test_a_peak_is_of_what_came_since_the_last_one() -> None:
    for _ in range(10):  # a machine that is short of memory may take other pages away meanwhile
        before, during, after = peaks()
        if during - before == pytest.approx(64 / 1024, abs=0.02) and after < during - 0.03:
            return
    raise AssertionError(f"64 MiB more are not seen in {before:.3f}, {during:.3f}, {after:.3f} GiB")


@pytest.mark.model
@pytest.mark.skipif(
    sys.platform != "linux" or usable_dtype(device="cpu") != "bfloat16", reason="oneDNN is asked for bf16"
)
def test_rows_of_ever_other_lengths_leave_no_kernels_behind() -> None:
    env = environment(resolve(LaunchConfig(device="cpu"), 0, "policy.launch"), {})
    done = subprocess.run([sys.executable, "-c", LENGTHS], env={**os.environ, **env}, capture_output=True, check=True)
    assert json.loads(done.stdout) < 10
