"""No process outlives the one that started it: on Linux the kernel ends it with its parent, SIGKILL included.

The promise holds one generation deep: a process that is started through a launcher (accelerate, torchrun) calls
`die_with_launcher` itself. `wrapped` puts it before any command; this module imports nothing that takes time.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_LAUNCHER = "IFRL_LAUNCHER_PID"


def wrapped(command: Sequence[str]) -> list[str]:
    """`command`, for this process to start: it sets the death signal first. (preexec_fn could deadlock beside threads.)"""
    return [sys.executable, "-m", __name__, str(os.getpid()), *command]


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when the one that started it ends; at once, if `parent` is gone already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def die_with_launcher() -> None:
    """For what the child itself starts (the ranks of a training): end when it ends, or at once if it has ended already."""
    launcher = os.environ.get(_LAUNCHER)
    if launcher != str(os.getpid()):  # else it is the child itself, whose death signal is set
        die_with_parent(int(launcher) if launcher else None)


def _become(parent: str, *command: str) -> None:
    die_with_parent(int(parent))
    os.environ[_LAUNCHER] = str(os.getpid())
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become(*sys.argv[1:])
