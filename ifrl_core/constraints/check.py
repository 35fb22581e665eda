"""Rule verdicts for a file of responses: Parquet or JSONL in, the same rows with verdicts out, in bounded memory.

Rows name one constraint (`instruction_id`, `kwargs` as JSON) or, as IFEval's own files do, several (`instruction_id_list`
and a list of `kwargs`); both carry `response`, and what it answers (`messages`, `tools`, or `prompt`) where a type looks at
that. Every other column is passed through. Verdicts are of the answer: what
reasoning is cut off first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ifrl_core.constraints.given import GivenError, constraints_given, rules_for
from ifrl_core.constraints.verdict import Rules, rule_of, strict_and_loose
from ifrl_core.records import Constraint, Row
from ifrl_core.row_files import RowWriter, add_columns, check_paths, wrong
from ifrl_core.text.reasoning import THINK, Reasoning, answer_of

_BATCH_ROWS = 512
_ADDED = ("strict", "loose", "strict_all", "loose_all")


@dataclass
class CheckSummary:
    """What a check found. `changed` counts rows whose file already had verdicts, and other ones; None without."""

    rows: int = 0
    constraints: int = 0
    strict: int = 0
    loose: int = 0
    changed: int | None = None
    by_type: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # type -> (constraints, strict, loose)


def check_row(
    path: Path, number: int, row: Row, reasoning: Reasoning = THINK, rules: Rules = rule_of
) -> tuple[list[Constraint], Row]:
    """The constraints of a row and the columns to add to it.

    Raises:
        InputError: naming the row (counted from 1) and the field, for a missing or unusable value.
    """
    response = row.get("response")
    if not isinstance(response, str):
        problem = "missing" if response is None else f"expected text, found {type(response).__name__}"
        raise wrong(path, number, "response", problem)
    rules = rules_for(row, rules)
    try:
        constraints, listed = constraints_given(row, rules)
    except GivenError as error:
        raise wrong(path, number, error.field, error.problem) from None
    # Without an answer nothing is satisfied; the arguments have been looked at.
    strict, loose = strict_and_loose(constraints, answer_of(response, reasoning), rules)
    if not listed:
        return constraints, {"strict": strict[0], "loose": loose[0]}
    return constraints, {"strict": strict, "loose": loose, "strict_all": all(strict), "loose_all": all(loose)}


def _count(summary: CheckSummary, constraints: list[Constraint], row: Row, added: Row) -> None:
    listed = isinstance(added["strict"], list)
    strict = added["strict"] if listed else [added["strict"]]
    loose = added["loose"] if listed else [added["loose"]]
    for constraint, s, lo in zip(constraints, strict, loose, strict=True):
        total, strictly, loosely = summary.by_type.get(constraint.type, (0, 0, 0))
        summary.by_type[constraint.type] = (total + 1, strictly + s, loosely + lo)
    summary.rows += 1
    summary.constraints += len(constraints)
    summary.strict += sum(strict)
    summary.loose += sum(loose)
    if row.get("strict") is not None and row.get("loose") is not None:
        differs = (row["strict"], row["loose"]) != (added["strict"], added["loose"])
        summary.changed = (summary.changed or 0) + differs


def check_file(
    path_in: str | Path,
    path_out: str | Path,
    *,
    reasoning: Reasoning = THINK,
    rules: Rules = rule_of,
    progress: Callable[[int], None] | None = None,
) -> CheckSummary:
    """Write the rows of `path_in` with verdicts to `path_out`, in the same order; formats go by the suffixes.

    Columns added: `strict` and `loose` (booleans), or for IFEval's lists lists of booleans and `strict_all`, `loose_all`.
    Verdicts that the file already has are replaced, and the summary counts those that changed. The output appears under
    its name only when it is complete. `rules`: whose ids the rows may name, the catalog's by default. `progress` is told the
    number of rows done after each batch.

    Raises:
        InputError: for a missing file, an unknown suffix, or a bad row (naming row and field); no output is left then.
    """
    source, target = Path(path_in), Path(path_out)
    check_paths(source, target)
    summary = CheckSummary()

    def columns_of(number: int, row: Row) -> Row:
        constraints, added = check_row(source, number, row, reasoning, rules)
        _count(summary, constraints, row, added)
        return added

    writer = RowWriter(target, _ADDED, as_text=("kwargs",))  # arguments differ from row to row
    add_columns(source, writer, columns_of, batch_rows=_BATCH_ROWS, progress=progress)
    return summary
