"""Training processes forked from one that has imported torch, transformers and trl already: seconds less a training.

For tests of what a training does. How it is launched is not in them: accelerate, torchrun and the death with the stage have
tests of their own (policy/test_launched.py, training/test_child.py).
"""

import json
import math
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from ifrl_core.errors import TrainingError
from ifrl_core.training import child
from tests.forks import FORKS, start_server
from tests.ports import free_port

_Deadly = Path | tuple[str, int]
_begun: list["ForkedProcess"] = []
_deadly: list[_Deadly] = []  # a file at whose sight the process dies, or a function, and which call of it


class ForkedProcess:
    """As much of `subprocess.Popen` as `run_child` uses, for commands that end with a module's name and its argument; for
    torchrun its ranks. A rank that fails takes the others with it."""

    def __init__(self, command: Sequence[str], *, stdout: Any, env: Mapping[str, str], **_: Any) -> None:
        count = int(command[command.index("--nproc_per_node") + 1]) if "--nproc_per_node" in command else 1
        deadly = _deadly[-1] if _deadly else None
        self._processes = [
            FORKS.Process(target=_run_module, args=(*command[-2:], stdout.name, told, deadly), daemon=True)
            for told in _environments(env, count)
        ]
        for process in self._processes:
            process.start()
        _begun[:] = [self]

    @property
    def returncode(self) -> int | None:
        codes = [process.exitcode for process in self._processes]
        failed = [code for code in codes if code]
        return failed[0] if failed else None if None in codes else 0

    def wait(self, timeout: float | None = None) -> int | None:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired("a forked training", timeout or 0)
            wait([process.sentinel for process in self._processes if process.exitcode is None], min(left, 1.0))
        self.kill()
        return self.returncode

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def terminate(self) -> None:
        for process in self._processes:
            process.terminate()


def _environments(env: Mapping[str, str], count: int) -> list[dict[str, str]]:
    """Of each rank, as torchrun sets it."""
    if count == 1:
        return [dict(env)]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count)}
    return [{**env, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


@contextmanager
def forked_trainings() -> Iterator[None]:
    """Inside, stages fork their training process."""
    with pytest.MonkeyPatch.context() as patch:
        start_server()
        patch.setattr(child, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": ForkedProcess}))
        yield


def terminate_training() -> None:
    """SIGTERM to the training that was begun last."""
    _begun[0].terminate()


@contextmanager
def killed_at(file: Path) -> Iterator[None]:
    """Inside, the training process gets a SIGKILL as soon as it has written `file`, and the stage must say so."""
    _deadly.append(file)
    try:
        with pytest.raises(TrainingError, match="was killed by SIGKILL"):
            yield
    finally:
        _deadly.pop()


@contextmanager
def killed_in(function: str, call: int) -> Iterator[None]:
    """Inside, the training process gets a SIGKILL in the `call`-th call of a function of that name; the stage must say so."""
    _deadly.append((function, call))
    try:
        with pytest.raises(TrainingError, match="was killed by SIGKILL"):
            yield
    finally:
        _deadly.pop()


def _run_module(module: str, argument: str, log: str, environment: dict[str, str], deadly: _Deadly | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if deadly is not None:
        die = _die_at if isinstance(deadly, Path) else _die_in
        if isinstance(deadly, Path):
            sys.addaudithook(partial(_die_before_removal, deadly))
        threading.Thread(target=die, args=(deadly,), daemon=True).start()
    sys.argv = [module, argument]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _die_at(file: Path) -> None:
    while not _is_there(file):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_there(file: Path) -> bool:
    """Whole, where it is the file that makes a checkpoint whole: half of it is as good as none."""
    if file.suffix != ".json":
        return file.exists()
    try:
        return bool(json.loads(file.read_text()))
    except (OSError, ValueError):
        return False


def _die_before_removal(file: Path, event: str, _: object) -> None:
    """On a busy machine the thread may not have its turn while the file is there."""
    if event == "shutil.rmtree" and file.exists():
        os.kill(os.getpid(), signal.SIGKILL)


def _die_in(deadly: tuple[str, int]) -> None:
    function, left = deadly
    was_in, main = False, threading.main_thread().ident
    while left:
        time.sleep(0.001)
        is_in = main is not None and _on_stack(sys._current_frames()[main], function)
        left -= is_in and not was_in
        was_in = is_in
    os.kill(os.getpid(), signal.SIGKILL)


def _on_stack(frame: FrameType | None, function: str) -> bool:
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None
