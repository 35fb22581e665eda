"""What Prefect is told beside the work: it costs the work nothing when the server does not answer, for however long."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

log = logging.getLogger("ifrl_core.stages.progress")

Telling = Callable[[], None]
LAST_WORDS_S = 5.0  # that the end of a task waits for what is still to be told
_PAUSE_S = 2.0
_LAST_PAUSE_S = 0.2


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Inside, what fails is logged and left out; `what` names it."""
    try:
        yield
    except Exception as error:
        log.warning("Prefect did not take %s: %s", what, error)


def is_outage(error: Exception) -> bool:
    """Whether the server did not answer or was too busy; anything else it would refuse again."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code in (
            httpx.codes.REQUEST_TIMEOUT,
            httpx.codes.TOO_MANY_REQUESTS,
        )
    return isinstance(error, httpx.TransportError | OSError)


class Aside:
    """Does things one after the other in a thread of its own, in the context of whoever asks: a server that accepts and is
    silent for minutes holds up nobody but this thread. What fails is logged, and the next is done."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def do(self, what: Callable[[], None]) -> None:
        self._thread = self._thread or ThreadPoolExecutor(1, "aside")
        self._thread.submit(contextvars.copy_context().run, self._logged, what)

    @staticmethod
    def _logged(what: Callable[[], None]) -> None:
        try:
            what()
        except Exception:
            log.exception("what was to be told beside the work failed")

    def close(self) -> None:
        """Wait until all is done."""
        if self._thread is not None:
            self._thread.shutdown()


class Teller:
    """Tells Prefect from a thread of its own, in the context of whoever first asks it to.

    Of what waits under one name only the newest is told. While the server does not answer, it is tried again every few
    seconds. The end waits for it LAST_WORDS_S at most, and where the server was away before, for one more try.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._waiting: dict[str, Telling] = {}
        self._changed = threading.Condition()
        self._closes_at: float | None = None  # time.monotonic
        self._thread: threading.Thread | None = None
        self._away = self._gives_up = False

    def tell(self, name: str, telling: Telling) -> None:
        with self._changed:
            self._waiting[name] = telling
            self._changed.notify()
        if self._thread is None:
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._work,), daemon=True, name="telling")
            self._thread.start()

    def close(self) -> None:
        """Tell what is left, if the server answers."""
        with self._changed:
            self._closes_at, self._gives_up = time.monotonic() + LAST_WORDS_S, self._away
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(LAST_WORDS_S + 1)

    def _work(self) -> None:
        # The client's own retries would hold what is told for a minute and more.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while (item := self._next()) is not None:
                name, telling = item
                try:
                    telling()
                except Exception as error:
                    self._failed(name, telling, error)
                else:
                    self._away = False

    def _next(self) -> tuple[str, Telling] | None:
        """The oldest of what waits; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closes_at is not None)
            late = self._closes_at is not None and time.monotonic() > self._closes_at
            if not self._waiting or late:
                return None
            name = next(iter(self._waiting))
            return name, self._waiting.pop(name)

    def _failed(self, name: str, telling: Telling, error: Exception) -> None:
        if not is_outage(error):
            log.warning("%s goes on, though Prefect refuses its %s: %s", self._label, name, error)
            return
        if not self._away:
            log.warning("%s goes on, though Prefect does not take its %s: %s", self._label, name, error)
        self._away = True
        with self._changed:
            if self._gives_up:
                self._waiting.clear()
            else:
                self._waiting.setdefault(name, telling)
        self._pause()

    def _pause(self) -> None:
        if self._closes_at is not None:
            time.sleep(_LAST_PAUSE_S)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closes_at is not None, timeout=_PAUSE_S)
