"""What a judge's word is worth, measured on the spot and without people.

(a) It is asked hard constraints of the catalog on the answers that it judges, where rules know the truth. (b) Each of these
questions is put twice, in two wordings. (c) CFBench's recorded verdicts are of another judge on other answers: how often do
the two agree? A judge that finds violations no more often where they are than where they are not tells nothing.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ifrl_core.config import JudgeConfig
from ifrl_core.evaluation.benchmarks import cfbench
from ifrl_core.evaluation.benchmarks.replies import echoed, numbered, numbered_schema
from ifrl_core.evaluation.judge.ask import Judge
from ifrl_core.evaluation.judge.checks import Check, checks
from ifrl_core.evaluation.suite.benchmark import Question, Terms
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


def spoken(figures: Figures) -> str:
    """The figures of `reliability` as sentences of a report."""
    counts = figures["checks"]
    if not counts["asked"]:
        said = ["The judge was not asked anything that rules know: its word is not measured."]
    else:
        said = [
            f"Asked {counts['asked']} hard constraints on these answers ({counts['violated']} of them violated), the judge "
            f"finds {_percent(figures['recall_of_violations'])} of the violations; of what it calls violated "
            f"{_percent(figures['precision_of_violations'])} is; it agrees with the rules on "
            f"{_percent(figures['agreement'])} and says yes to {_percent(figures['says_yes'])}.",
            f"Asked in other words, it says the same for {_percent(figures['self_consistency'])}.",
        ]
    if counts["unread"]:
        said.append(f"{counts['unread']} of {2 * counts['asked']} replies to these could not be read.")
    if recorded := figures["recorded"]:
        said.append(
            f"It agrees with {_percent(recorded['agreement'])} of CFBench's recorded verdicts, as saying yes to all would "
            f"with {_percent(recorded['always_yes'])}."
        )
    else:
        said.append("Agreement with CFBench's recorded verdicts: not measured, it needs evaluation.judge.recorded.")
    if apart := figures["tells_apart"]:
        points = " to ".join(f"{100 * apart[end]:+.0f}" for end in ("low", "high"))
        said.append(
            f"It finds violations {100 * apart['mean']:+.0f} points [{points}] more often than it imagines them."
        )
    return " ".join(said)


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
    """What we read from the replies that another judge gave to CFBench's rows, against what is recorded of them.

    Of all `rows`, the `metrics` of so many are the recorded ones, to the two digits recorded. `fallback` of them were read by
    the official fallback parser, which keeps the 1s alone: there metrics differ.

    Raises:
        InputError: naming the row and the field, when the file is not as recorded.
    """
    rows = list(enumerate(documents(path), start=1))
    same = 0
    for (number, row), item, said in zip(rows, cfbench.read(path), _recorded_verdicts(path), strict=True):
        marks = cfbench.worth(item.row["criteria"], said).marks
        metrics = field(path, number, row, "judge_metric", dict)
        same += said is not None and all(round(marks[name][0] or 0, 2) == metrics.get(name.upper()) for name in marks)
    fallback = sum(str(row.get("judge_parsing")) == "0" for _, row in rows)
    return {"rows": len(rows), "metrics": same, "fallback": fallback}


def _recorded(judge: Judge, path: str) -> Figures:
    """The same answers judged here: `agreement` by criterion with the recorded verdicts; `always_yes`: what saying yes to
    all would have."""
    items, rows = cfbench.read(path), documents(path)
    with cfbench.grade(Terms()) as grade:
        responses = [field(path, number, row, "response", str) for number, row in enumerate(rows, start=1)]
        judgements = judge.run([grade(item, [response]) for item, response in zip(items, responses, strict=True)])
    pairs = [
        (line["verdict"], true)
        for judgement, verdicts in zip(judgements, _recorded_verdicts(path), strict=True)
        for line, true in zip(judgement.graded.verdicts, verdicts or (), strict=verdicts is not None)
    ]
    read = [(bool(said), true) for said, true in pairs if said is not None]
    agreement = _share(sum(said == true for said, true in read), len(read))
    always_yes = _share(sum(true for _, true in pairs), len(pairs))
    unread = len(pairs) - len(read)
    return {"agreement": agreement, "always_yes": always_yes, "unread": unread, **recorded_replies(path)}


def _recorded_verdicts(path: str) -> list[list[bool] | None]:
    """The verdicts of each row, in the order of its criteria; None where the reply cannot be read."""
    replies = [field(path, number, row, "judge_response", str) for number, row in enumerate(documents(path), start=1)]
    return [
        echoed(reply, [criterion["text"] for criterion in item.row["criteria"]])
        for reply, item in zip(replies, cfbench.read(path), strict=True)
    ]


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


def _percent(share: Figures | None) -> str:
    return "an unknown share" if share is None else f"{share['mean']:.0%} [{share['low']:.0%}, {share['high']:.0%}]"
