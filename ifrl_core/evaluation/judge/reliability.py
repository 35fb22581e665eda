"""What a judge's word is worth, measured on the spot and without people.

(a) It is asked hard constraints of the catalog on the answers that it judges, where rules know the truth. (b) Each of these
questions is put twice, in two wordings. (c) CFBench's recorded verdicts are of another judge on other answers: how often do
the two agree? A judge that finds violations no more often where they are than where they are not tells nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ifrl_core.config import JudgeConfig
from ifrl_core.evaluation.benchmarks import cfbench
from ifrl_core.evaluation.benchmarks.replies import echoed, numbered, numbered_schema
from ifrl_core.evaluation.judge.ask import Judge, Reply
from ifrl_core.evaluation.judge.checks import Check, checks
from ifrl_core.evaluation.suite.benchmark import Question
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.inference import Engine
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.intervals import Interval, difference_of_shares, wilson

WORDINGS = ("constraint", "constraint_reworded")  # templates
Verdicts = Sequence[bool | None]


def reliability(
    answers: Sequence[str],
    engine: Engine,
    config: JudgeConfig,
    journal: Path,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Figures:
    """Figures of a judge on `answers` (without reasoning); shares in [0, 1] with 95% intervals, None where nothing is known.

    `checks`: questions, how many of them satisfied and violated, and unread replies to both wordings; `recall_of_violations`,
    `precision_of_violations`, `agreement`, `says_yes` on the first wording; `tells_apart`: the share of violations that it
    finds less the share of satisfied constraints that it calls violated, and `no_better_than_yes` where that is not clear of
    0; `self_consistency`: equal verdicts in both wordings; `recorded`.

    Raises:
        InferenceError: when a server refuses or none answers.
        InputError: when the recorded verdicts cannot be read.
    """
    judge = Judge(engine, config, journal, progress)
    made = checks(answers, config.checks, seed)
    replies = judge.ask([_question(check, wording) for wording in WORDINGS for check in made])
    met = [None if value is None else bool(value[0]) for value, _ in replies]
    first, second = met[: len(made)], met[len(made) :]
    return {
        "checks": {
            "asked": len(made),
            "satisfied": sum(check.satisfied for check in made),
            "violated": sum(not check.satisfied for check in made),
            "unread": met.count(None),
        },
        **against_truth(first, [check.satisfied for check in made]),
        "self_consistency": _same(first, second),
        "recorded": _recorded(judge, config.recorded) if config.recorded else None,
    }


def against_truth(verdicts: Verdicts, truth: Sequence[bool]) -> Figures:
    """How well verdicts tell violations, against what rules say; unread ones (None) are left out."""
    read = [(said, true) for said, true in zip(verdicts, truth, strict=True) if said is not None]
    caught = sum(not said and not true for said, true in read)
    alarms = sum(not said and true for said, true in read)
    satisfied = sum(true for _, true in read)
    violated = len(read) - satisfied
    apart = difference_of_shares((caught, violated), (alarms, satisfied)) if satisfied and violated else None
    return {
        "recall_of_violations": _share(caught, violated),
        "precision_of_violations": _share(caught, caught + alarms),
        "agreement": _share(sum(said == true for said, true in read), len(read)),
        "says_yes": _share(sum(said for said, _ in read), len(read)),
        "tells_apart": None if apart is None else _shown(apart),
        "no_better_than_yes": None if apart is None else not apart.low > 0,
    }


def recorded_replies(path: str) -> Figures:
    """Our reading of the judge's replies that were recorded with CFBench's rows, against the verdicts recorded with them.

    `replies` that are read to the recorded verdicts, of all `rows`.
    """
    rows = documents(path)
    read = [_read(path, number, row) for number, row in enumerate(rows, start=1)]
    return {"rows": len(rows), "replies": sum(read)}


def _read(path: str, number: int, row: Mapping[str, Any]) -> bool:
    criteria = [str(criterion[0]) for criterion in field(path, number, dict(row), "criteria", list)]
    said = echoed(field(path, number, dict(row), "judge_response", str), criteria)
    return said == _verdicts(path, number, row)


def _verdicts(path: str, number: int, row: Mapping[str, Any]) -> list[bool]:
    return [str(verdict) == "1" for verdict in field(path, number, dict(row), "judge_score", list)]


def _recorded(judge: Judge, path: str) -> Figures:
    """Agreement by criterion with the recorded verdicts, of the same answers in the same order."""
    return {**recorded_replies(path)}


def _question(check: Check, wording: str) -> Question:
    fields = {"constraint": check.constraint.text, "answer": check.answer}
    return Question(wording, fields, partial(numbered, n=1), numbered_schema(1))


def _same(first: Verdicts, second: Verdicts) -> Figures | None:
    pairs = [(one, other) for one, other in zip(first, second, strict=True) if one is not None and other is not None]
    return _share(sum(one == other for one, other in pairs), len(pairs))


def _share(successes: int, total: int) -> Figures | None:
    return _shown(wilson(successes, total)) if total else None


def _shown(interval: Interval) -> Figures:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "units": interval.units}
