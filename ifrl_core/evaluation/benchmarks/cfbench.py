"""CFBench: how many of an instruction's criteria a response meets, as a judge says.

Source: Zhang et al., CFBench (arXiv 2408.01122). A row's criteria are primary or secondary. The judge answers by number where
the official prompt has it echo each criterion, which cannot match in 61 rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, echoed, numbered, numbered_schema
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Metric,
    Question,
    Terms,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

PRIORITIES = {"主需": True, "次需": False}  # primary, secondary
_ENOUGH = 0.8  # of PSR: a row's weighted share has to lie above


def read(path: str) -> list[Item]:
    """Its rows, in the order of the file."""
    return [_item(path, number, row) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row) -> Item:
    given = field(path, number, row, "criteria", list)
    if not given:
        raise InputError(f"{path} row {number}: field 'criteria' is empty; expected one criterion at least")
    criteria = [_criterion(path, number, criterion) for criterion in given]
    groups = {"split": row.get("split"), "domain": row.get("doamin"), "scenario": row.get("scenario")}
    key = str(row.get("idx", number))
    content = {"gold": str(row.get("gold") or ""), "criteria": criteria}
    slices = {name: str(group) for name, group in groups.items() if group}
    return Item(key, asked(field(path, number, row, "prompt", str)), content, key, slices)


def _criterion(path: str, number: int, given: object) -> Row:
    if not isinstance(given, list) or len(given) < 2 or given[1] not in PRIORITIES or not isinstance(given[0], str):
        raise InputError(
            f"{path} row {number}: criterion {str(given)[:80]!r}; expected [text, {' or '.join(PRIORITIES)}, type, subtype]"
        )
    return {"text": given[0], "primary": PRIORITIES[given[1]], "type": str(given[2]) if len(given) > 2 else ""}


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    yield _graded


def _graded(item: Item, answers: Sequence[str]) -> Grading:
    criteria = item.row["criteria"]
    fields = {
        "instruction": item.prompt,
        "gold": item.row["gold"] or "(none)",
        "response": answers[-1],
        "criteria": "\n".join(f"{i}. {criterion['text']}" for i, criterion in enumerate(criteria, start=1)),
    }
    read_verdicts = partial(_read_verdicts, criteria=[criterion["text"] for criterion in criteria])
    [met] = yield [Question("cfbench", fields, read_verdicts, numbered_schema(len(criteria)))]
    return worth(criteria, met)


def _read_verdicts(reply: str, criteria: list[str]) -> list[bool] | None:
    """By number, or each criterion echoed, where a user's template asks as upstream does."""
    by_number = numbered(reply, len(criteria))
    return echoed(reply, criteria) if by_number is None else by_number


def worth(criteria: Sequence[Row], met: Sequence[bool] | None) -> Graded:
    """What the verdicts on a row's criteria are worth, in their order; None: they could not be read."""
    verdicts = [None] * len(criteria) if met is None else [float(verdict) for verdict in met]
    marks = dict.fromkeys(("csr", "isr", "psr")) if met is None else rates(met, [c["primary"] for c in criteria])
    types: dict[str, list[float | None]] = {}
    for criterion, verdict in zip(criteria, verdicts, strict=True):
        types.setdefault(criterion["type"] or "(none)", []).append(verdict)
    return Graded(
        {name: [mark] for name, mark in marks.items()},
        notes={NOT_READ: 1} if met is None else {},
        verdicts=[{"asked": c["text"], "verdict": v} for c, v in zip(criteria, met or verdicts, strict=True)],
        parts={"type": types},
    )


def rates(met: Sequence[bool], primary: Sequence[bool]) -> Mapping[str, float]:
    """Of one row: `csr` the share of criteria met, `isr` 1 where all are, `psr` 1 where enough are by their priorities.

    Raises:
        ValueError: when the two differ in length.
    """
    pairs = list(zip(met, primary, strict=True))
    first = [satisfied for satisfied, is_primary in pairs if is_primary]
    second = [satisfied for satisfied, is_primary in pairs if not is_primary]
    return {"csr": fmean(met), "isr": float(all(met)), "psr": float(_enough(first, second))}


def _enough(first: Sequence[bool], second: Sequence[bool]) -> bool:
    if not all(first):
        return False
    if not second:
        return True
    return (0.5 + 0.5 * fmean(second) if first else fmean(second)) > _ENOUGH


CFBENCH = Benchmark(
    name="cfbench",
    title="CFBench",
    metrics=tuple(map(Metric, ("csr", "isr", "psr"))),
    read=read,
    grade=grade,
    source="PKU-Baichuan-MLSystemLab/CFBench: data/cfbench_data.json (1,000 rows, Chinese)",
    licence="no licence file",
    max_tokens=4_096,
    needs=frozenset({"judge"}),
    templates=("cfbench",),
    anchors=(
        Anchor("Qwen2.5-7B", "isr", 0.47, "not stated", "SEIF, before (arXiv 2605.07465)"),
        Anchor("Qwen2.5-7B, trained", "isr", 0.52, "not stated", "SEIF, after (arXiv 2605.07465)"),
        Anchor("R1-0528-Qwen3-8B, trained", "isr", 0.68, "not stated", "the method's paper (arXiv 2510.14420)"),
    ),
    odd=(
        "row 810 has an empty prompt and is asked so",
        "rows 532 and 670 have a criterion twice: it counts twice",
        "the field of the domain is spelt doamin; 129 criteria have no type",
        "the official judge echoes each criterion, which cannot match in 39 rows with a line break inside and 22 with blanks "
        "at the ends: here it answers by number",
        "the official fallback parser keeps the 1s alone, so that such rows score 1.0: here they are unscored",
    ),
)
