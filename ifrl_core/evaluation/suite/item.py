"""What a benchmark of the suite is: rows to ask a model, and what an answer is worth by rules alone."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ifrl_core.records import Row

Marks = Mapping[str, Sequence[float | None]]  # by metric, in [0, 1]; None: could not be scored
Grade = Callable[["Item", str], Marks]  # of a row and its answer, without its reasoning


@dataclass(frozen=True)
class Item:
    """A row as a model is asked it.

    `cluster` is what intervals resample whole (a row, or the ladder it belongs to); `slices` are the groups it is reported
    in, by name; `row` is what grading reads.
    """

    id: str
    prompt: str
    row: Row
    cluster: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A benchmark: `read` its rows from a path or URL, `grade` opens what grades them (it may hold a process).

    `metrics` are its official ones, the headline first. `max_tokens`, `temperature`: how it is asked. `source` says where to
    get it, `licence` under which terms.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    read: Callable[[str], list[Item]]
    grade: Callable[[], AbstractContextManager[Grade]]
    source: str
    licence: str
    max_tokens: int
    temperature: float = 0.0
