"""What tasks do with a stage's progress: a bar in the terminal, a progress artifact in Prefect, live metrics in MLflow, and
sample rows as a table in both. None of it can end the stage, or hold it up: what is away is told later, or not at all."""

import logging
import sys
import threading
import time
from functools import partial
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.context import TaskRunContext
from tqdm import tqdm

from ifrl_core.stages.progress import Table
from ifrl_core.tracking.entries import now_ms
from ifrl_core.tracking.tracker import TrackedRun, Tracker
from tasks.telling import Aside, Teller

log = logging.getLogger("ifrl_core.stages.progress")

_UI_INTERVAL_S = 1.0
_LOG_INTERVAL_S = 10.0


class TaskProgress:
    """A Progress for one stage. Without a terminal the bar becomes a log line every ten seconds."""

    def __init__(self, label: str, run: TrackedRun | None) -> None:
        self._label, self._tracker = label, None if run is None else Tracker(run)
        self._lock = threading.Lock()
        self._bar: Any = None  # tqdm has no useful type
        self._artifact: UUID | None = None
        self._prefect, self._mlflow = Teller(label), Aside()
        self._last_ui = self._last_log = time.monotonic()
        self._first: tuple[int, float] | None = None  # done and time of the first report: a resumed run starts late

    def __call__(self, done: int, total: int, message: str = "", *, samples: Table = (), **metrics: float) -> None:
        with self._lock:
            self._first = self._first or (done, time.monotonic())
            self._show(done, total, message)
            self._publish(done, total, message)
        if metrics and self._tracker is not None:
            self._mlflow.do(partial(self._tracker.live, metrics, step=done, at=now_ms()))
        if samples:
            self._show_samples(samples, done)

    def close(self) -> None:
        self._close_bar()
        self._prefect.close()
        self._mlflow.close()
        if self._tracker is not None:
            self._tracker.flush()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self, done: int, total: int, message: str) -> None:
        if sys.stderr.isatty():
            if self._bar is None or self._bar.total != total:
                self._close_bar()
                self._bar = tqdm(total=total, desc=self._label, leave=False)
            self._bar.set_postfix_str(message, refresh=False)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if now - self._last_log >= _LOG_INTERVAL_S:
            self._last_log = now
            log.info("%s: %d/%d %s%s", self._label, done, total, message, self._left(done, total, now))

    def _left(self, done: int, total: int, now: float) -> str:
        """Time left at the mean pace so far, as the bar of a terminal shows it."""
        if self._first is None or done <= self._first[0]:
            return ""
        pace = (now - self._first[1]) / (done - self._first[0])
        return f", {tqdm.format_interval(pace * (total - done))} left" if done < total else ""

    def _publish(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if TaskRunContext.get() is None or (now - self._last_ui < _UI_INTERVAL_S and done < total):
            return
        self._last_ui = now
        percent = 100.0 * done / max(total, 1)
        self._prefect.tell("progress", lambda: self._publish_now(percent, message or self._label))

    def _publish_now(self, percent: float, description: str) -> None:
        if self._artifact is None:
            artifact = create_progress_artifact(percent, key=self._key("progress"), description=description)
            self._artifact = artifact if isinstance(artifact, UUID) else None
        else:
            update_progress_artifact(self._artifact, progress=percent, description=description)

    def _show_samples(self, samples: Table, done: int) -> None:
        if TaskRunContext.get() is not None:
            rows = [dict(row) for row in samples]
            key, about = self._key("samples"), f"{self._label} at {done}"
            self._prefect.tell("samples", lambda: _table(rows, key, about))
        if self._tracker is not None:
            self._mlflow.do(partial(self._tracker.samples, samples, at=now_ms()))

    def _key(self, what: str) -> str:
        """Artifact keys are lowercase letters, digits and dashes."""
        return f"{what}-" + "".join(c if c.isalnum() else "-" for c in self._label.lower())


def _table(rows: list[dict[str, Any]], key: str, description: str) -> None:
    create_table_artifact(rows, key=key, description=description)
