"""The one local engine that a process has in memory, shared by all of its threads."""

import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from ifrl_core.inference.engine import Completion, Engine, Request, Sampling
from ifrl_core.inference.telling import Answered, generate_told
from ifrl_core.stages.progress import Progress, no_progress


class ClosableEngine(Engine, Protocol):
    """An engine whose model is in this process."""

    def close(self) -> None:
        """Give the model and its caches up; it answers no more."""
        ...


class _Held:
    """What is loaded, and under which name; whoever has `lock` uses it alone."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.name: Hashable = None
        self.engine: ClosableEngine | None = None

    def get(self, name: Hashable, load: Callable[[], ClosableEngine]) -> ClosableEngine:
        """The engine of that name. Another one is closed first: memory is for one."""
        if self.engine is not None and self.name != name:
            self.close()
            give_memory_back()
        if self.engine is None:
            self.engine, self.name = load(), name
        return self.engine

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
        self.engine, self.name = None, None


_held = _Held()


class LocalEngine:
    """The engine that `load` gives, loaded once for all that name it alike. One thread generates at a time: an engine already
    uses every core or GPU, and what a call gives does not depend on the others. Closed in between, it is loaded again."""

    def __init__(self, name: Hashable, load: Callable[[], ClosableEngine]) -> None:
        self._name, self._load = name, load
        with _held.lock:
            _held.get(name, load)

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """As the engine does."""
        with _held.lock:
            return _held.get(self._name, self._load).generate(requests, sampling, progress)

    def generate_told(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered, progress: Progress
    ) -> None:
        """The same, each completion told as soon as the engine gives it."""
        with _held.lock:
            generate_told(_held.get(self._name, self._load), requests, sampling, answered, progress)


def close_local_engine() -> None:
    """Close this process's engine, when it has one, and give all freed memory back; a call in progress ends first."""
    with _held.lock:
        _held.close()
        give_memory_back()


def give_memory_back() -> None:
    """Hand what was freed to the GPU and to the machine, for another model or another process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":  # glibc keeps what was freed: over 1 GiB after generation
        ctypes.CDLL("libc.so.6").malloc_trim(0)
