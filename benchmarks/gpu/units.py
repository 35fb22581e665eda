"""A unit of a part: one command, whose state outlives a kill.

OUT/PART/UNIT.json holds its state (`begun`, `stopped`: the time was up, `failed`, `ended`), the calls and seconds that it
took and, once it ended, its figures; UNIT.log what it wrote to stderr. A unit that ended is not run again. One that did not
is started again by the next call: what it has made by then lies in the store, and the command goes on from there.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ifrl_core.training.orphans import die_with_parent

_LAST_LINES = 12


class Unit(NamedTuple):
    """`command` of what is known so far; `figures` of what it wrote to stdout; `always`: in every call."""

    name: str
    command: Callable[[], Sequence[str]]
    figures: Callable[[str], dict[str, Any]] = json.loads
    always: bool = False


class TimeUpError(Exception):
    """The call's time is over."""


class FailedError(Exception):
    """A command failed; the text is what it said last."""


def state_of(folder: Path, unit: str) -> dict[str, Any]:
    """Of a unit of the part whose folder this is."""
    file = folder / f"{unit}.json"
    return json.loads(file.read_text()) if file.exists() else {"state": "not begun", "calls": 0, "seconds": 0.0}


def run_unit(unit: Unit, folder: Path, env: Mapping[str, str], *, until: float, grace: float, root: Path) -> None:
    """Run a unit until it ends, or `grace` seconds before `until` (time.monotonic()) asks it to stop.

    Raises:
        TimeUpError: when it did not end.
        FailedError: when it ended with another code than 0, or wrote no figures.
    """
    state, command = state_of(folder, unit.name), unit.command()
    if until - time.monotonic() <= grace:
        raise TimeUpError
    folder.mkdir(parents=True, exist_ok=True)
    state |= {"state": "begun", "calls": state["calls"] + 1}
    _keep(folder, unit, state)
    start, log, out = time.monotonic(), folder / f"{unit.name}.log", folder / f"{unit.name}.out"
    with log.open("ab") as errors, out.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=env,
            cwd=root,
            start_new_session=True,
            preexec_fn=die_with_parent,  # whoever kills the call kills the command; what that started has signals of its own
        )
        stopped = _wait(process, until - grace, until)
    state["seconds"] = round(state["seconds"] + time.monotonic() - start, 1)
    if stopped:
        _keep(folder, unit, state | {"state": "stopped"})
        raise TimeUpError
    try:
        if process.returncode:
            raise ValueError(f"exit code {process.returncode}")
        figures = unit.figures(out.read_text())
    except (ValueError, LookupError, StopIteration) as error:
        _keep(folder, unit, state | {"state": "failed"})
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        raise FailedError("\n".join([f"{error}; {log} ends with:", *lines])) from None
    _keep(folder, unit, state | {"state": "ended", "figures": figures})


def _wait(process: "subprocess.Popen[bytes]", ask_at: float, kill_at: float) -> bool:
    """Whether it had to be stopped: first asked, so that a training saves its step, then killed with all that it started."""
    for end, sent in ((ask_at, signal.SIGTERM), (kill_at, signal.SIGKILL)):
        try:
            process.wait(max(0.0, end - time.monotonic()))
            return sent == signal.SIGKILL
        except subprocess.TimeoutExpired:
            if sent == signal.SIGTERM:
                process.terminate()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def _keep(folder: Path, unit: Unit, state: Mapping[str, Any]) -> None:
    partial = folder / f".{unit.name}.json"
    partial.write_text(json.dumps(state, indent=2) + "\n")
    partial.replace(folder / f"{unit.name}.json")
