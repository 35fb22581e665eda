"""Multi-IF: dialogs of up to three turns in eight languages, whose verifiable instructions add up over the turns.

Source: He et al. (arXiv 2410.15553). After each turn the answer is graded on all instructions so far, by IFEval's rules:
its figure is the plain mean of IFEval's four accuracies, strict and loose, over prompts and over instructions. The rules are
IFEval's in every language; upstream counts words of Thai, and sentences of Thai, Hindi, Chinese and Japanese, in ways of its
own. An instruction that no rule takes is unscored.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ifrl_core.constraints.given import GivenError, constraints_given
from ifrl_core.constraints.verdict import strict_and_loose
from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Marks,
    Metric,
    Terms,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Constraint, Row, constraint_of, constraint_row

TURNS = (1, 2, 3)
LEVELS = ("prompt_strict", "prompt_loose", "inst_strict", "inst_loose")
NO_RULE = "no rule takes its arguments"
_SOURCE = "arXiv 2410.15553, mean over languages"


def read(path: str) -> list[Item]:
    """Its dialogs, of CSV as upstream has it, or JSONL with the same columns; a turn without a prompt is none."""
    items = [_item(path, number, row) for number, row in enumerate(documents(path), start=1)]
    keys = Counter(item.id for item in items)
    return [replace(i, id=f"{i.id}/{n}") if keys[i.id] > 1 else i for n, i in enumerate(items, start=1)]


def _item(path: str, number: int, row: Row) -> Item:
    there = [turn for turn in TURNS if row.get(f"turn_{turn}_prompt")]
    if not there:
        raise InputError(f"{path} row {number}: field 'turn_1_prompt' is empty or missing; expected a message")
    turns = [_turn(f"{path} row {number}: field 'turn_{turn}_", row, turn) for turn in there]
    key = str(row.get("key") or number)
    content = {"turns": [{"turn": turn, "constraints": given} for turn, (_, given) in zip(there, turns, strict=True)]}
    language = field(path, number, row, "language", str)
    return Item(key, tuple(asked(prompt)[0] for prompt, _ in turns), content, key, {"language": language})


def _turn(where: str, row: Row, turn: int) -> tuple[str, list[Row | None]]:
    """The prompt of a turn, and the constraints on its answer; None: no rule takes its arguments."""
    message = _parsed(f"{where}prompt'", row[f"turn_{turn}_prompt"])
    prompt = message.get("content") if isinstance(message, dict) else None
    if not isinstance(prompt, str):
        raise InputError(f"{where}prompt' has no text as its 'content'; expected a JSON message")
    ids, kwargs = (
        _listed(f"{where}{name}'", row.get(f"turn_{turn}_{name}")) for name in ("instruction_id_list", "kwargs")
    )
    if len(ids) != len(kwargs):
        raise InputError(f"{where}kwargs' has {len(kwargs)} entries; expected {len(ids)}, one an id")
    constraints = [_constraint(id_, args) for id_, args in zip(ids, kwargs, strict=True)]
    return prompt, [None if constraint is None else constraint_row(constraint) for constraint in constraints]


def _listed(where: str, value: Any) -> list[Any]:
    value = _parsed(where, value)
    if not isinstance(value, list):
        raise InputError(f"{where} is {type(value).__name__}; expected a JSON list")
    return value


def _parsed(where: str, value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid JSON ({error})") from error


def _constraint(id_: Any, kwargs: Any) -> Constraint | None:
    try:
        (constraint,), _ = constraints_given({"instruction_id": id_, "kwargs": kwargs})
    except GivenError:
        return None
    return constraint


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    """IFEval's rules, after every turn."""
    yield _grade


def _grade(item: Item, answers: Sequence[str]) -> Grading:
    marks: dict[str, list[float | None]] = {f"turn_{turn}_{level}": [] for turn in TURNS for level in LEVELS}
    notes: Counter[str] = Counter()
    for given, answer in zip(item.row["turns"], answers, strict=True):
        for level, values in _marks(given["constraints"], answer).items():
            marks[f"turn_{given['turn']}_{level}"] += values
        notes[NO_RULE] += given["constraints"].count(None)
    return Graded(marks, dict(+notes))
    yield  # it asks no judge


def _marks(given: Sequence[Mapping[str, Any] | None], answer: str) -> Marks:
    constraints = [constraint_of(row) for row in given if row is not None]
    missing: list[float | None] = [None] * (len(given) - len(constraints))
    marks: dict[str, list[float | None]] = {}
    for way, verdicts in zip(("strict", "loose"), strict_and_loose(constraints, answer), strict=True):
        marks[f"prompt_{way}"] = [None if missing else float(all(verdicts))]
        marks[f"inst_{way}"] = [*map(float, verdicts), *missing]
    return marks


MULTI_IF = Benchmark(
    name="multi-if",
    title="Multi-IF",
    metrics=tuple(
        Metric(f"turn_{turn}", mean_of=tuple(f"turn_{turn}_{level}" for level in LEVELS)) for turn in reversed(TURNS)
    ),
    read=read,
    grade=grade,
    source="facebookresearch/Multi-IF (Hugging Face: facebook/Multi-IF): multiIF_20241018.csv, 4,501 dialogs",
    licence="Apache-2.0",
    max_tokens=1_024,
    temperature=0.6,
    top_p=0.9,
    anchors=(
        Anchor("o1-preview", "turn_1", 0.877, "", _SOURCE),
        Anchor("o1-preview", "turn_3", 0.707, "", _SOURCE),
    ),
    odd=(
        "upstream counts words of Thai, and sentences of Thai, Hindi, Chinese and Japanese, in ways of its own",
        "dialogs of fewer than three turns have no figure for the others",
    ),
)
