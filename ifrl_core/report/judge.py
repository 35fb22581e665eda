"""What a judge is worth, beside every figure that it judged (figures of `evaluation.judge.reliability`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ifrl_core.report.text import NOTHING, count, listing, measured_interval, percent, points, points_interval

SHARES = {
    "recall_of_violations": "violations that it finds, of those that rules know",
    "precision_of_violations": "what it calls a violation that is one",
    "agreement": "verdicts that agree with the rules'",
    "says_yes": "verdicts that say yes",
    "self_consistency": "the same verdict when the question is reworded",
}
USELESS = "This judge is no better than always saying yes"
UNKNOWN = "Nothing shows that this judge is better than always saying yes"
Judge = Mapping[str, Any] | None  # of one model's answers; None: not measured


def judge_rows(judges: Sequence[Judge]) -> list[dict[str, Any]]:
    """[{"name", "cells": a text for each model's answers}], empty where no judge was measured."""
    if not any(of and (of["checks"]["asked"] or of.get("recorded")) for of in judges):
        return []
    rows = [{"name": "hard constraints that it was asked, whose truth rules know", "cells": list(map(_checks, judges))}]
    rows += [{"name": title, "cells": [_share(of, name) for of in judges]} for name, title in SHARES.items()]
    title = "points by which it finds violations more often than it imagines them"
    rows.append({"name": title, "cells": list(map(_apart, judges))})
    if any(of and of.get("recorded") for of in judges):
        recorded = [(of or {}).get("recorded") for of in judges]
        cells = [_share(of, "agreement") for of in recorded]
        rows.append({"name": "verdicts that agree with CFBench's recorded ones", "cells": cells})
        always = [_share(of, "always_yes") for of in recorded]
        rows.append({"name": "as many as saying yes to all would have", "cells": always})
    return rows


def judge_flags(models: Sequence[str], judges: Sequence[Judge]) -> list[dict[str, str]]:
    """[{"title", "text", "short"}]: empty unless a judge tells nothing, or was asked and nobody can say whether it does."""
    told = list(zip(models, judges, strict=True))
    useless = [
        f"on answers of “{model}” it finds {_mean(of, 'recall_of_violations')} of violations and says yes to "
        f"{_mean(of, 'says_yes')} of all questions"
        for model, of in told
        if of and of["no_better_than_yes"]
    ]
    if useless:
        text = f"Asked hard constraints whose truth rules know, {listing(useless)}. What it judged says nothing of a model."
        return [{"title": USELESS, "text": text, "short": "no better than always yes"}]
    unknown = [
        f"on answers of “{model}” {count(of['checks']['unread'])} of {count(2 * of['checks']['asked'])} replies could not be "
        f"read, and of the {count(of['checks']['asked'])} constraints {count(of['checks']['violated'])} were violated"
        for model, of in told
        if of and of["checks"]["asked"] and of["no_better_than_yes"] is None
    ]
    if not unknown:
        return []
    text = f"Asked hard constraints whose truth rules know, {listing(unknown)}: too little to tell."
    return [{"title": UNKNOWN, "text": text, "short": "not known to be better than always yes"}]


def _checks(judge: Judge) -> str:
    if not judge:
        return NOTHING
    asked, satisfied, violated, unread = (
        count(judge["checks"][name]) for name in ("asked", "satisfied", "violated", "unread")
    )
    return f"{asked}: {satisfied} satisfied, {violated} not; {unread} replies not read"


def _mean(judge: Judge, name: str) -> str:
    row = (judge or {}).get(name)
    return NOTHING if row is None else percent(row["mean"])


def _share(of: Judge, name: str) -> str:
    row = (of or {}).get(name)
    return NOTHING if row is None else f"{percent(row['mean'])} {measured_interval(row['low'], row['high'], 'share')}"


def _apart(judge: Judge) -> str:
    row = (judge or {}).get("tells_apart")
    return NOTHING if row is None else f"{points(row['mean'])} {points_interval(row['low'], row['high'])}"
