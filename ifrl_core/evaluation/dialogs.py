"""Constraints over the turns of a dialog whose earlier answers are the model's own (rollouts/histories.py): those of its hard
constraints that stood before one of them, in the last answer, over all, and in every one."""

from collections.abc import Sequence
from statistics import fmean

from ifrl_core.evaluation.difference import difference
from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures

MEASURES = ("last", "turns", "dialog")


def over_turns(rows: Sequence[Row]) -> Figures:
    """Of answers (rows of held_out.ANSWERS) with such constraints, in shares: `last`, mean satisfaction by the last answer;
    `turns`, by all of them; `dialog`, dialogs that keep all of them in every turn. Nothing where there are none."""
    values = [found for row in rows if (found := _values(row)) is not None]
    if not values:
        return {}
    return {"over_turns": {name: fmean(value[name] for value in values) for name in MEASURES} | {"n": len(values)}}


def compared_over_turns(before: Sequence[Row], after: Sequence[Row]) -> Figures:
    """The same measures as differences, of the dialogs that both sides have; nothing where there are none."""
    sides = [(old["instruction_id"], _values(old), _values(new)) for old, new in zip(before, after, strict=True)]
    both = [(cluster, old, new) for cluster, old, new in sides if old is not None and new is not None]
    if not both:
        return {}
    pairs = {
        name: [{"before": old[name], "after": new[name], "cluster": cluster} for cluster, old, new in both]
        for name in MEASURES
    }
    return {"over_turns": {name: difference(of_measure) for name, of_measure in pairs.items()}}


def _values(row: Row) -> dict[str, float] | None:
    """None of a dialog in which nothing stood before an answer of the model's own."""
    last = [item["verdict"] for item in row["verdicts"]]
    turns = [
        [*kept, verdict]
        for kept, verdict in zip(row.get("kept") or [[]] * len(last), last, strict=True)
        if kept and verdict is not None
    ]
    if not turns:
        return None
    return {
        "last": fmean(verdicts[-1] for verdicts in turns),
        "turns": fmean(fmean(verdicts) for verdicts in turns),
        "dialog": float(all(map(all, turns))),
    }
