"""How a stage tells the outside how far it is. Stages call it; tasks decide what to do with it (bars, UI, MLflow)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Table = Sequence[Mapping[str, Any]]  # rows of one set of columns: strings, numbers, None


class Progress(Protocol):
    """`done` of `total` units; `message` for people; `samples` are rows to look at; `metrics` are live figures of this
    moment (numbers by name)."""

    def __call__(self, done: int, total: int, message: str = "", *, samples: Table = (), **metrics: float) -> None: ...


def no_progress(done: int, total: int, message: str = "", *, samples: Table = (), **metrics: float) -> None:
    """A Progress that says nothing."""
