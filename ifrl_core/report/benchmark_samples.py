"""Rows of a benchmark with every model's answer and its verdicts: a fixed choice, the two ends, and what was not scored."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.evaluation.suite.benchmark import Item, Metric
from ifrl_core.evaluation.suite.score import GradedItem
from ifrl_core.records import Row, printable
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.text.reasoning import Reasoning, answer_of

FIXED, ENDS, UNSCORED = 3, 2, 2
LONGEST = 12_000  # characters of a text that are shown


def samples(label: str, headline: Metric, models: Mapping[str, tuple[Sequence[GradedItem], Reasoning]]) -> list[Row]:
    """[{"why", "id", "slices", "messages", "answers": [{"model", "text", "verdicts", "marks", "notes"}]}].

    `why`: "fixed" (the first by a hash, whatever the answers), "improved" and "regressed" (the largest changes of the last
    model against the first), "unscored".
    """
    by_model = {name: _first_samples(rows) for name, (rows, _) in models.items()}
    first, *_, last = [*by_model.values(), *by_model.values()]
    ids = sorted((id_ for id_ in first if id_ in last), key=lambda id_: rank_by_hash("report", label, id_))
    before, after = ({id_: _mark(headline, of[id_]) for id_ in ids} for of in (first, last))
    change = {id_: new - old for id_ in ids if (old := before[id_]) is not None and (new := after[id_]) is not None}
    ranked = sorted(change, key=lambda id_: change[id_])
    chosen = dict.fromkeys(ids[:FIXED], "fixed")
    for why, some, most in (
        ("improved", [id_ for id_ in ranked[::-1] if change[id_] > 0], ENDS),
        ("regressed", [id_ for id_ in ranked if change[id_] < 0], ENDS),
        ("unscored", [id_ for id_ in ids if None in (before[id_], after[id_])], UNSCORED),
    ):
        chosen |= dict.fromkeys([id_ for id_ in some if id_ not in chosen][:most], why)
    return [
        {
            "why": why,
            **_asked(first[id_].item),
            "answers": [_answer(name, rows[id_], models[name][1]) for name, rows in by_model.items() if id_ in rows],
        }
        for id_, why in chosen.items()
    ]


def _first_samples(rows: Sequence[GradedItem]) -> dict[str, GradedItem]:
    found: dict[str, GradedItem] = {}
    for row in rows:
        found.setdefault(row.item.id, row)
    return found


def _mark(headline: Metric, row: GradedItem) -> float | None:
    """The mean mark of the headline; None where one was not scored."""
    marks = [mark for name in headline.mean_of or (headline.name,) for mark in row.marks.get(name, ())]
    known = [mark for mark in marks if mark is not None]
    return fmean(known) if known and len(known) == len(marks) else None


def _asked(item: Item) -> Row:
    messages = [
        {"role": message["role"], "text": _shown(message["content"])} for turn in item.turns for message in turn
    ]
    return {"id": item.id, "slices": dict(item.slices), "messages": messages}


def _answer(model: str, row: GradedItem, reasoning: Reasoning) -> Row:
    answer = answer_of(row.response, reasoning)
    return {
        "model": model,
        "text": _shown(answer),
        "unclosed": bool(row.response.strip()) and not answer,
        "verdicts": [
            {"asked": _shown(str(line.get("asked", ""))), "verdict": _verdict(line.get("verdict"))}
            for line in row.graded.verdicts
        ],
        "marks": {name: list(marks) for name, marks in row.marks.items()},
        "notes": dict(row.graded.notes),
    }


def _verdict(verdict: Any) -> Any:
    return verdict if verdict is None or isinstance(verdict, bool | int | float) else printable(str(verdict))


def _shown(text: str) -> str:
    left_out = len(text) - LONGEST
    return printable(text if left_out <= 0 else f"{text[:LONGEST]} … ({left_out:,} characters more)")
