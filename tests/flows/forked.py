"""`ifrl` in a process forked from one that has imported what takes seconds (tests/forks.py), and so are its trainings.

To the command it is a process like any other: its own environment, arguments, output and exit code, and Prefect, which
reads its settings when it is imported, is imported by the fork. Only what libraries read when they are loaded
(OMP_NUM_THREADS) comes from the environment of the tests.
"""

import atexit
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.core.forked import forked_trainings
from tests.forks import FORKS, fork_siblings, start_server

REPO = Path(__file__).parent.parent.parent


def run_forked(
    arguments: Sequence[str], env: Mapping[str, str], *, timeout_s: float
) -> "subprocess.CompletedProcess[str]":
    """Run `ifrl ARGUMENTS` and wait for its end, as `subprocess.run` does."""
    return call_forked(_ifrl, arguments, env, timeout_s=timeout_s)


def call_forked(
    function: Callable[..., None], arguments: Sequence[str], env: Mapping[str, str], *, timeout_s: float
) -> "subprocess.CompletedProcess[str]":
    """The same for a function of some module: what it prints, and exit code 1 with a traceback where it raises."""
    with tempfile.TemporaryDirectory(prefix="ifrl-forked-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        start_server()
        process = FORKS.Process(target=_command, args=(function, list(arguments), dict(env), str(out), str(err)))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), timeout_s, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(
            list(arguments), process.exitcode, out.read_text("utf8"), err.read_text("utf8")
        )


def _command(function: Callable[..., None], arguments: list[str], env: dict[str, str], out: str, err: str) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(REPO)
    fork_siblings()
    try:
        with forked_trainings():
            function(*arguments)
    finally:  # what an interpreter does at its end, and a fork of multiprocessing does not
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


def _ifrl(*arguments: str) -> None:
    sys.argv = ["ifrl", *arguments]
    from flows.cli.main import main

    main()
