"""Code that comes with a dataset, run in a child that can neither read, write, reach the network nor start anything.

What protects: a fresh interpreter (`-I -S`: no project, no site-packages, no environment), an empty folder, kernel limits of
memory, CPU, files and descriptors, a namespace without network and rules that let no file be changed (Landlock) where the
kernel grants them, a wall clock, and an audit hook that refuses every other event (see code_child.py). What does not: a fault
of the interpreter itself. Run it in a container besides when the data is hostile.
"""

import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ifrl_core.evaluation import code_child

_CHILD = Path(inspect.getfile(code_child.main))
_START_SECONDS = 30.0  # for the interpreter to start, on a busy machine
_TIME_IS_UP = (-signal.SIGALRM, -signal.SIGXCPU)


@dataclass(frozen=True)
class CodeLimits:
    """What one run may take."""

    wall_seconds: float = 5.0
    cpu_seconds: int = 5
    memory_bytes: int = 512 * 2**20


@dataclass(frozen=True)
class CodeResult:
    """How a run ended; `value` is what the code returned, `detail` says what went wrong."""

    outcome: Literal["returned", "error", "timeout"]
    value: bool | int | float | str | None = None
    detail: str = ""


def run_limited(
    source: str, function: str, value: object, *, limits: CodeLimits | None = None, official: bool = False
) -> CodeResult:
    """Call `function(value)` of `source`, for a JSON value; never raises because of the code.

    `official`: globals and locals apart, so that a helper function beside the checker is not found (as AgentIF's own
    evaluation runs it).
    """
    limits = limits or CodeLimits()
    job = {
        "source": source,
        "function": function,
        "value": value,
        "official": official,
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": limits.cpu_seconds,
        "wall_seconds": limits.wall_seconds,
    }
    reader, writer = os.pipe()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o500)
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), str(writer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={},
                pass_fds=(writer,),
                start_new_session=True,
            )
            os.close(writer)
            writer = -1
            return _result(process, json.dumps(job).encode(), reader, limits)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _result(process: subprocess.Popen[bytes], job: bytes, reader: int, limits: CodeLimits) -> CodeResult:
    timeout = CodeResult(
        "timeout", detail=f"took more than {limits.wall_seconds:g} s, or {limits.cpu_seconds} s of CPU"
    )
    try:
        process.communicate(job, timeout=limits.wall_seconds + _START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return timeout
    if process.returncode in _TIME_IS_UP:
        return timeout
    written = os.read(reader, 1 << 20)
    if not written:
        return CodeResult("error", detail=f"the process ended with code {process.returncode} and no result")
    return CodeResult(**json.loads(written))
