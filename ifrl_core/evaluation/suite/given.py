"""A file of answers with what they are graded by beside them: the same rows, in order, with their verdicts.

A row that cannot be graded has verdicts of null, and the reason in the column `unscored`, which is there only when a row has
one. Memory grows with the verdicts alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.benchmark import (
    AnsweredRows,
    Benchmark,
    Grade,
    Graded,
    Item,
    Metric,
    Terms,
    nobody,
    settled,
)
from ifrl_core.evaluation.suite.compare import compared
from ifrl_core.evaluation.suite.score import GradedItem, figures, place_of
from ifrl_core.records import Row
from ifrl_core.row_files import RowWriter, add_columns, check_paths, is_row_file, read_chunks, split_name
from ifrl_core.stages.stage import Figures
from ifrl_core.text.reasoning import THINK, Reasoning, answer_of

UNSCORED = "unscored"
_UNDECIDED = "no rule decides it: a judge has to, or it took too long"
_BATCH_ROWS = 512


@dataclass(frozen=True)
class GivenRows:
    """What a file of answers came to.

    `suite`: the benchmark, with the metrics that its verdicts are alone; `rows`: marks without texts; `unscored` counts
    reasons; `changed` the rows whose file had other verdicts, None when it had none.
    """

    suite: Benchmark
    rows: list[GradedItem]
    unscored: dict[str, int]
    changed: int | None

    def figures(self) -> Figures:
        """As `score.figures` says, and what was unscored or changed."""
        more = {} if self.changed is None else {"changed": self.changed}
        return {**figures(self.suite, self.rows), "unscored": self.unscored, **more}


def form_of(benchmark: Benchmark, path: str) -> AnsweredRows | None:
    """The form whose columns the first row of a file has; None when it is none of the benchmark's."""
    if not (is_row_file(Path(path)) and Path(path).is_file()):
        return None
    row = next((rows[0] for rows, _ in read_chunks(Path(path), 1)), {})
    fitting = (form for form in benchmark.answered if all(name in row for name in form.needs) and _answer_in(form, row))
    return next(fitting, None)


def expected_columns(benchmark: Benchmark) -> str:
    """Which columns a file of answers has, for an error."""
    matched = "response (of several turns: responses) and one of id, key, prompt, with --benchmark NAME=PATH"
    beside = [f"{', '.join(form.needs)} and {' or '.join(form.answers)}" for form in benchmark.answered]
    return "; or ".join((*beside, matched))


def targets(benchmark: Benchmark, files: Sequence[str], output: Path | None) -> list[Path]:
    """Where the graded rows of each file go: beside it, into the folder `output`, or of one file to the file `output`.

    Raises:
        InputError: for several files and one to write.
    """
    names = [split_name(Path(file)) for file in files]
    if output is None:
        return [
            Path(file).with_name(f"{stem}-graded{suffix}") for file, (stem, suffix) in zip(files, names, strict=True)
        ]
    if not is_row_file(output):
        return [output / f"{place}-{stem}-{benchmark.name}{suffix}" for place, (stem, suffix) in enumerate(names)]
    if len(files) > 1:
        raise InputError(f"{output}: is one file for the rows of {len(files)}; give a folder")
    return [output]


def given_report(
    benchmark: Benchmark, files: Sequence[tuple[str, AnsweredRows, Path]], grade: Callable[..., GivenRows]
) -> Figures:
    """Figures of each file (its name, its form, where its graded rows go), and differences to the first.

    `grade`: `grade_file` with its options.

    Raises:
        InputError: as `grade_file`, and when two files hold other rows.
    """
    given = {file: grade(benchmark, form, Path(file), target) for file, form, target in files}
    first = given[files[0][0]]
    for file, rows in given.items():
        if [row.item.id for row in rows.rows] != [row.item.id for row in first.rows]:
            raise InputError(f"{file}: holds other rows than {files[0][0]}, with which it would be compared row by row")
    return {
        "benchmark": benchmark.name,
        "rows": len(first.rows),
        "answers": {file: {**given[file].figures(), "output": str(target)} for file, _, target in files},
        "differences": {file: compared(first.suite, first.rows, given[file].rows) for file, _, _ in files[1:]},
    }


def write_matched(benchmark: Benchmark, path: Path, target: Path, rows: Sequence[GradedItem]) -> None:
    """Write a file of answers to `rows` with their verdicts; null where an answer is to none of them.

    Raises:
        InputError: for an unknown suffix, or a benchmark whose marks are no verdicts of a row.
    """
    check_paths(path, target)
    if not benchmark.answered:
        raise InputError(f"{target}: {benchmark.name} has no verdict a row; give a folder for its marks")
    *_, form = benchmark.answered
    by_id = {row.item.id: place for place, row in enumerate(rows)}
    by_prompt = {row.item.prompt: place for place, row in enumerate(rows)}

    def columns_of(number: int, row: Row) -> Row:
        place = place_of(row, by_id, by_prompt)
        return _columns(form, None if place is None else rows[place].graded)

    add_columns(path, _writer(target, form), columns_of, batch_rows=_BATCH_ROWS)


def grade_file(
    benchmark: Benchmark,
    form: AnsweredRows,
    source: Path,
    target: Path,
    *,
    reasoning: Reasoning = THINK,
    terms: Terms = Terms(),  # noqa: B008
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> GivenRows:
    """Write the rows of `source` with their verdicts to `target`; formats go by the suffixes. `limit`: only the first ones.

    Raises:
        InputError: for an unknown suffix or a file that cannot be read; no output is left then.
    """
    check_paths(source, target)
    marks = {column.marks for column in form.columns}
    metrics = tuple(Metric(metric.name) for metric in benchmark.metrics if metric.name in marks)
    rows: list[GradedItem] = []
    unscored: Counter[str] = Counter()
    changed: list[bool] = []
    with benchmark.grade(terms) as grade:

        def columns_of(number: int, row: Row) -> Row:
            item, graded, reason = _graded(form, grade, reasoning, str(source), number, row)
            columns = _columns(form, graded)
            kept = {name: graded.marks[name] if graded else [None] for name in marks}
            rows.append(GradedItem(replace(item, turns=(), row={}), "", Graded(kept)))
            if all(row.get(name) is not None for name in columns):
                changed.append(any(row[name] != verdict for name, verdict in columns.items()))
            if not reason:
                return columns
            unscored[reason] += 1
            return {**columns, UNSCORED: reason}

        add_columns(source, _writer(target, form), columns_of, batch_rows=_BATCH_ROWS, limit=limit, progress=progress)
    suite = replace(benchmark, metrics=metrics, of_cluster=None)
    return GivenRows(suite, rows, dict(unscored.most_common()), sum(changed) if changed else None)


def _writer(target: Path, form: AnsweredRows) -> RowWriter:
    types = {c.name: pa.list_(pa.bool_()) if c.listed else pa.bool_() for c in form.columns} | {UNSCORED: pa.string()}
    return RowWriter(target, tuple(types), types=types, as_text=form.as_text, if_any=UNSCORED)


def _graded(
    form: AnsweredRows, grade: Grade, reasoning: Reasoning, path: str, number: int, row: Row
) -> tuple[Item, Graded | None, str]:
    """The item of a row, what its answer is worth (None: not graded), and why a verdict is lacking ("" when none is)."""
    item = Item(str(number), (), {}, str(number))
    name = _answer_in(form, row) or form.answers[0]
    answer = row.get(name)
    if not isinstance(answer, str):
        return item, None, f"field {name!r} is {'null' if answer is None else type(answer).__name__}; expected text"
    try:
        item = form.item(path, number, row)
        graded = settled(grade(item, [answer_of(answer, reasoning)]), nobody)
    except InputError as error:
        return item, None, str(error).removeprefix(f"{path} row {number}: ")
    except Exception as error:  # what a rule stumbles over in a row that only looks like the benchmark's
        return item, None, f"not a row of this benchmark ({type(error).__name__}: {error})"
    lacks = any(None in graded.marks[column.marks] for column in form.columns)
    return item, graded, ("; ".join(graded.notes) or _UNDECIDED) if lacks else ""


def _answer_in(form: AnsweredRows, row: Row) -> str | None:
    return next((name for name in form.answers if name in row), None)


def _columns(form: AnsweredRows, graded: Graded | None) -> Row:
    if graded is None:
        return {column.name: None for column in form.columns}
    columns: Row = {}
    for column in form.columns:
        verdicts = [None if mark is None else bool(mark) for mark in graded.marks[column.marks]]
        columns[column.name] = verdicts if column.listed else verdicts[0]
    return columns
