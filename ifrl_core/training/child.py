"""Training in a process of its own: it dies with its parent, its output is logged, its metrics come back row by row.

    run_child([sys.executable, "-m", "some.module", "job.json"], folder=work.scratch, what="reward model training",
              on_row=lambda row: ...)

`folder/metrics.jsonl` is what the child appends to with `job.append_row`; `folder/child.log` holds its stdout and stderr.
Both outlive a kill and are appended to by the next attempt; only what the present attempt writes is reported.
"""

import json
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ifrl_core.errors import TrainingError
from ifrl_core.records import Row
from ifrl_core.training.job import LOG, METRICS, STOP
from ifrl_core.training.orphans import wrapped

log = logging.getLogger(__name__)

GRACE_S = 120.0  # for a child that was asked; then it is killed
_POLL_S = 0.2
_LAST_LINES = 20

_stopping = threading.Event()


def run_child(
    command: Sequence[str],
    *,
    folder: Path,
    what: str,
    on_row: Callable[[Row], None] = lambda row: None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` to its end; `env` is added to this process's environment; `what` names it in messages.

    `on_row` gets each row of metrics soon after it is written, in this thread. If it raises, the child is ended.

    Raises:
        TrainingError: when the child ends with another exit code than 0, with the last lines of its output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP).unlink(missing_ok=True)
    output = _Output(folder, what, on_row)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
    with (folder / LOG).open("ab") as sink:
        child = subprocess.Popen(wrapped(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
    try:
        while _running(child) and not _stopping.is_set():
            output.report()
        if _stopping.is_set():
            _let_end(child, folder)
        output.report()
    except BaseException:
        if _stopping.is_set():  # what SIGTERM did before was to raise, in this very thread
            _let_end(child, folder)
        raise
    finally:
        child.kill()
        child.wait()
    if child.returncode:
        raise TrainingError(
            f"{what} {_ending(child.returncode)}; its whole output is in {folder / LOG}, its last lines are:\n"
            + "\n".join(output.last)
        )


@contextmanager
def sigterm_asks_children_to_stop() -> Iterator[None]:
    """Inside, SIGTERM first asks every child of `run_child` to save its work and end, then does what it did before.

    For the main thread; elsewhere, or where signals cannot be set, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def on_signal(number: int, frame: FrameType | None) -> None:
        _stopping.set()
        if callable(before):
            before(number, frame)
        else:
            raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _stopping.clear()


class _Output:
    """What a child appends to its files: lines are logged, the `last` of them kept, rows of metrics handed to `on_row`."""

    def __init__(self, folder: Path, what: str, on_row: Callable[[Row], None]) -> None:
        self._log, self._metrics = _Tail(folder / LOG), _Tail(folder / METRICS)
        self._what, self._on_row = what, on_row
        self.last: deque[str] = deque(maxlen=_LAST_LINES)

    def report(self) -> None:
        for line in self._log.new_lines():
            self.last.append(line)
            log.info("%s: %s", self._what, line)
        for line in self._metrics.new_lines():
            self._on_row(json.loads(line))


class _Tail:
    """Reads the complete lines that are appended to a file after construction."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path, self._offset = path, path.stat().st_size
        self._partial = b""

    def new_lines(self) -> Iterator[str]:
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        self._offset += len(data)
        *complete, self._partial = (self._partial + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in complete)


def _running(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(timeout=_POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _let_end(child: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask the child to save its work and end, and give it GRACE_S to do so."""
    log.info("asked to stop: the training process saves its work first")
    (folder / STOP).touch()
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (the kernel does that when memory runs out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
