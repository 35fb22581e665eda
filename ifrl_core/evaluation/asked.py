"""What a benchmark is to the evaluation: what it asks a model, what the answers come to, and how two models compare on it.

A benchmark is one file beside this one and a line in registry.py.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import pyarrow as pa

from ifrl_core.config import EvaluationConfig
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures, Inputs, Work


@dataclass(frozen=True)
class Questions:
    """What a model is asked: `requests[i]` comes of `rows[i]`."""

    rows: list[Row]
    requests: list[Request]
    sampling: Sampling


@dataclass(frozen=True)
class Benchmark:
    """Asked when the evaluation has the input `source`, which holds its prompts.

    `table`, of the columns `columns`, is the file of its answers. `questions` are put to the model; `answers` makes the
    rows of the table of the questions' rows and their completions, once the model is out of memory, each completion read as
    `work.reasoning` says; `figures` and
    `compared` (before, after: tables of the same questions) are merged with those of the other benchmarks.
    """

    source: str
    table: str
    columns: pa.Schema
    questions: Callable[[EvaluationConfig, Inputs, Work], Questions]
    answers: Callable[[Sequence[Row], Sequence[Completion], Inputs, Work], list[Row]]
    figures: Callable[[Sequence[Row]], Figures]
    compared: Callable[[Sequence[Row], Sequence[Row]], Figures]


def mean_of(values: Iterable[float]) -> float | None:
    """The mean; None of no values, as nothing was measured then."""
    present = list(values)
    return fmean(present) if present else None
