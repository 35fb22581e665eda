"""How a stage tells the outside how far it is. Stages call it; tasks decide what to do with it (bars, UI, MLflow)."""

from typing import Protocol


class Progress(Protocol):
    """`done` of `total` units; `message` for people; `metrics` are live figures of this moment (numbers by name)."""

    def __call__(self, done: int, total: int, message: str = "", **metrics: float) -> None: ...


def no_progress(done: int, total: int, message: str = "", **metrics: float) -> None:
    """A Progress that says nothing."""
