"""Child processes: rows and output come back, failures say why, and nobody outlives the parent."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ifrl_core.errors import TrainingError
from ifrl_core.training.child import run_child
from ifrl_core.training.job import LOG, METRICS
from tests.patience import PATIENCE_S, wait_until

ROWS = """
import sys, pathlib
from ifrl_core.training.job import append_row
for step in range(3):
    append_row(pathlib.Path(sys.argv[1]), {"step": step})
print("done")
"""
STARTS_A_SLEEPER = """
import sys, pathlib
from ifrl_core.training.child import run_child
run_child(["sleep", "3600"], folder=pathlib.Path(sys.argv[1]), what="sleeper")
"""


def _python(code: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", code, str(folder)]


def test_rows_arrive_in_order_and_output_is_kept(tmp_path: Path) -> None:
    rows: list[dict[str, int]] = []
    run_child(_python(ROWS, tmp_path), folder=tmp_path, what="toy", on_row=rows.append)
    assert rows == [{"step": 0}, {"step": 1}, {"step": 2}]
    assert (tmp_path / LOG).read_text() == "done\n"


def test_an_earlier_attempts_rows_and_torn_last_line_are_not_reported(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 7}\n{"ste')
    rows: list[dict[str, int]] = []
    run_child(_python(ROWS, tmp_path), folder=tmp_path, what="toy", on_row=rows.append)
    assert rows == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_a_failing_child_is_a_training_error_with_its_last_lines(tmp_path: Path) -> None:
    code = "print('loading'); raise ValueError('loss is NaN')"
    with pytest.raises(TrainingError, match=r"toy ended with exit code 1(.|\n)*ValueError: loss is NaN"):
        run_child(_python(code, tmp_path), folder=tmp_path, what="toy")


def test_a_killed_child_is_named_by_its_signal(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(TrainingError, match="was killed by SIGKILL"):
        run_child(_python(code, tmp_path), folder=tmp_path, what="toy")


def test_environment_is_added_to(tmp_path: Path) -> None:
    code = "import os; assert os.environ['TOY'] == '1' and 'PATH' in os.environ"
    run_child(_python(code, tmp_path), folder=tmp_path, what="toy", env={"TOY": "1"})


def test_a_callback_that_raises_ends_the_child(tmp_path: Path) -> None:
    code = ROWS + "\nimport time; time.sleep(3600)"

    def stop(row: dict[str, int]) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_child(_python(code, tmp_path), folder=tmp_path, what="toy", on_row=stop)
    assert not [p for p in psutil.Process().children() if str(tmp_path) in p.cmdline()]


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(_python(STARTS_A_SLEEPER, tmp_path))
    started: list[psutil.Process] = []

    def look() -> bool:
        with suppress(psutil.NoSuchProcess):
            started[:] = [child for child in psutil.Process(parent.pid).children() if child.name() == "sleep"]
        return bool(started)

    wait_until(look)
    (sleeper,) = started
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    sleeper.wait(timeout=PATIENCE_S)
    assert not psutil.pid_exists(sleeper.pid) or sleeper.status() == psutil.STATUS_ZOMBIE


STOPS_WHEN_ASKED = """
import sys, pathlib, time
from ifrl_core.training.job import STOP, append_row
folder = pathlib.Path(sys.argv[1])
append_row(folder, {"step": 1})
while not (folder / STOP).exists():
    time.sleep(0.02)
(folder / "saved").touch()
sys.exit(3)
"""
IS_TERMINATED = """
import os, pathlib, signal, subprocess, sys, threading
from ifrl_core.training.child import run_child, sigterm_asks_children_to_stop
folder, child, raises = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "raises"
class Terminated(BaseException): pass
def on_signal(*_):
    print("handled as before")
    if raises:
        raise Terminated
signal.signal(signal.SIGTERM, on_signal)
with sigterm_asks_children_to_stop():
    run_child([sys.executable, "-c", child, str(folder)], folder=folder, what="toy",
              on_row=lambda row: os.kill(os.getpid(), signal.SIGTERM))
"""


@pytest.mark.parametrize("how", ["raises", "returns"])
def test_a_child_saves_its_work_when_the_parent_is_told_to_end(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", IS_TERMINATED, str(tmp_path), STOPS_WHEN_ASKED, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (tmp_path / "saved").exists()
    assert "handled as before" in done.stdout
    assert ("Terminated" if how == "raises" else "TrainingError: toy ended with exit code 3") in done.stderr
