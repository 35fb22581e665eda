"""What a benchmark of the suite is: rows, what a model is asked of each, and how its answers are graded.

Grading is a generator, so that rules, code and a judge are one protocol: it yields questions to a judge, is sent what their
replies say, and returns what the answers are worth. A benchmark of rules alone never yields (`by_rules`).

    def grade(item, answers):
        [met] = yield [Question("complexbench", {"question": ..., "answer": answers[-1]}, read=yes_or_no)]
        return Graded({"satisfied": [met]})
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from ifrl_core.records import Message, Row

Marks = Mapping[str, Sequence[float | None]]  # by metric; None: could not be scored
Turns = tuple[tuple[Message, ...], ...]


@dataclass(frozen=True)
class Item:
    """A row as a model is asked it.

    `turns[k]` are the messages that come before its k-th answer, after all turns and answers before: one turn of one message
    in most benchmarks, a whole conversation where it is given, several where a model's own answers are its history.
    `cluster` is what intervals resample whole (a row, a dialog, the ladder it belongs to); `slices` are the groups it is
    reported in, by name; `row` (JSON values) is what grading reads.
    """

    id: str
    turns: Turns
    row: Row
    cluster: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The last message that it is asked."""
        return self.turns[-1][-1]["content"]


def asked(prompt: str, *, system: str = "") -> Turns:
    """One user message, after a system message where there is one."""
    before: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    return ((*before, {"role": "user", "content": prompt}),)


@dataclass(frozen=True)
class Question:
    """What a judge is asked: the file `template` of judge/templates with its `fields` put in.

    `read` makes of a reply what grading is sent; None: it cannot be read. `schema`: of a reply, for engines that can hold a
    model to one.
    """

    template: str
    fields: Mapping[str, str]
    read: Callable[[str], Any]
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Graded:
    """What the answers to an item are worth.

    `notes` counts, by name, what was no verdict ("timeout", "does not apply", "reply not read"); `verdicts` are lines for
    people: {"asked", "verdict"} each. `parts` are marks of the first metric again, by groups finer than an item:
    {slice: {group: marks}}.
    """

    marks: Marks
    notes: Mapping[str, int] = field(default_factory=dict)
    verdicts: Sequence[Row] = ()
    parts: Mapping[str, Marks] = field(default_factory=dict)


Grading = Generator[Sequence[Question], Sequence[Any], Graded]
Grade = Callable[[Item, Sequence[str]], Grading]  # of an item and its answers, one a turn, without reasoning


@dataclass(frozen=True)
class Terms:
    """How a benchmark is graded where there is a choice. `official`: as upstream, what is plainly broken there included;
    `run_code`: code of its rows may run, in a limited child."""

    official: bool = False
    run_code: bool = False


@dataclass(frozen=True)
class Metric:
    """A figure: the mean of the marks of that name, a share in [0, 1] unless `unit` says otherwise.

    `over`: the plain mean of the means by this slice, in the place of the mean of all marks; `harmonic`: their harmonic mean
    plus 1 percent point (BBEH). `mean_of`: the plain mean of the means of marks of these names (Multi-IF). Resampled by
    cluster.
    """

    name: str
    over: str = ""
    mean_of: tuple[str, ...] = ()
    harmonic: bool = False
    unit: Literal["share", "score", "turns", "levels"] = "share"


RANGES = {"share": (0.0, 1.0), "score": (0.0, 10.0), "turns": (0.0, 5.0), "levels": (0.0, 5.0)}  # of a mark, by unit


@dataclass(frozen=True)
class Anchor:
    """A published figure of a metric, in the metric's unit, for orientation: other judges, data and settings."""

    model: str
    metric: str
    value: float
    judge: str  # "" where rules grade
    source: str


@dataclass(frozen=True)
class VerdictColumn:
    """A column of verdicts in a file of rows: the marks of that name, all of them where `listed`, else the one there is."""

    name: str
    marks: str
    listed: bool = False


@dataclass(frozen=True)
class AnsweredRows:
    """A form in which a file may hold answers with what they are graded by beside them.

    A row has the columns `needs`, and the answer in one of `answers`. `item(path, number, row)` is what grading reads, as
    `Benchmark.read` makes it (it raises InputError); `columns` are what the row gets. `as_text`: see `RowWriter`.
    """

    needs: tuple[str, ...]
    columns: tuple[VerdictColumn, ...]
    item: Callable[[str, int, Row], Item]
    answers: tuple[str, ...] = ("response",)
    as_text: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: `read` its rows of a file (path or URL), `grade` opens what grades them (it may hold a process).

    `metrics` are its official ones, the headline first. `max_tokens`, `temperature`, `top_p`: how it is asked. `needs` says
    what grading takes beside rules, `templates` what a judge is asked with; `source` where to get it, `licence` under which
    terms. `of_cluster` adds marks that only the graded items of a whole cluster show, to its first item. `answered`: forms
    of files of answers, the usual one last. `odd`: what is known to be odd about it, a line each. `has_systems`: its rows may
    have a system message, so that how one is said to models without a place for it is part of what is answered.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    read: Callable[[str], list[Item]]
    grade: Callable[[Terms], AbstractContextManager[Grade]]
    source: str
    licence: str
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    needs: frozenset[Literal["judge", "code"]] = frozenset()
    templates: tuple[str, ...] = ()
    of_cluster: Callable[[Sequence[tuple[Item, Graded]]], Marks] | None = None
    anchors: tuple[Anchor, ...] = ()
    answered: tuple[AnsweredRows, ...] = ()
    odd: tuple[str, ...] = ()
    has_systems: bool = False


def by_rules(marks: Callable[[Item, str], Marks]) -> Grade:
    """A grade of the last answer by rules alone."""

    def grade(item: Item, answers: Sequence[str]) -> Grading:
        return Graded(marks(item, answers[-1]))
        yield  # it asks no judge

    return grade


def nobody(questions: Sequence[Question]) -> Sequence[None]:
    """The replies where there is no judge: what it would say is unscored."""
    return [None] * len(questions)


def settled(grading: Grading, replies: Callable[[Sequence[Question]], Sequence[Any]]) -> Graded:
    """Run one grading to its end; `replies` gives what is sent for the questions, in their order."""
    try:
        questions = next(grading)
        while True:
            questions = grading.send(replies(questions))
    except StopIteration as end:
        graded: Graded = end.value
        return graded
