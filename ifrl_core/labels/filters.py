"""Filters of pseudo-labels, and what each of them alone does to agreement with the rules.

A filter names the members of a contrast to leave out; one that looks at (positive, negative) takes the positive too when no
negative is left. Every filter is measured on every run, used or not, so that the report can say what it would do. Agreement
alone flatters a filter that merely leaves out positives, so `contrast` (pass rate of positives minus that of negatives)
stands beside it. The two filters by rule look at the truth they are measured by: on hard constraints their agreement is high
by construction and says nothing about soft ones. So they leave out training labels alone, and the audit counts what they
leave out.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ifrl_core.config import LabelsConfig
from ifrl_core.labels.audit import Cell, Figures, Outcome, agreement, contrast
from ifrl_core.labels.contrasts import Candidate, Contrast

Filter = Callable[[Contrast], set[int]]  # places in `members` to leave out


def _by_pair(test: Callable[[Candidate, Candidate], bool]) -> Filter:
    def places(contrast: Contrast) -> set[int]:
        failing = {place for place, negative in enumerate(contrast.negatives, 1) if test(contrast.positive, negative)}
        return failing | {0} if failing and len(failing) == len(contrast.negatives) else failing

    return places


def _by_member(test: Callable[[Candidate], bool]) -> Filter:
    return lambda contrast: {place for place, member in enumerate(contrast.members) if test(member)}


def _identical(positive: Candidate, negative: Candidate) -> bool:
    return bool(positive.row["response"] == negative.row["response"])


def _contradicted_pair(positive: Candidate, negative: Candidate) -> bool:
    verdicts = (positive.row["verdict"], negative.row["verdict"])
    return None not in verdicts and verdicts != (True, False)


def _contradicted(member: Candidate) -> bool:
    label, verdict = member.outcome
    return verdict is not None and label != int(verdict)


BY_RULE = ("pair contradicted by rules", "label contradicted by its rule")
FILTERS: dict[str, Filter] = {  # by the reason under which what they drop is counted; in the order of their turn
    "identical answers": _by_pair(_identical),
    "empty answer": _by_member(lambda member: not member.row["response"].strip()),
    "pair contradicted by rules": _by_pair(_contradicted_pair),
    "label contradicted by its rule": _by_member(_contradicted),
}


def filters_on(config: LabelsConfig) -> list[str]:
    """The reasons whose filters the config uses, in the order of FILTERS."""
    on = {
        "identical answers": config.drop_identical,
        "empty answer": config.drop_empty,
        "pair contradicted by rules": config.contradicted == "drop_pair",
        "label contradicted by its rule": config.contradicted == "drop_label",
    }
    return [name for name in FILTERS if on[name]]


@dataclass
class Tally:
    """What filters saw and dropped. `dropped` has each label under the first reason in use that fits, `alone` under all that
    fit, in use or not. The populations `candidates` and `audited` are those of the package."""

    dropped: Counter[str] = field(default_factory=Counter)
    audited: Counter[Cell] = field(default_factory=Counter)
    audited_of: dict[str, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))  # by instruction
    candidates: Counter[Outcome] = field(default_factory=Counter)
    alone: dict[str, Counter[Outcome]] = field(default_factory=lambda: {name: Counter() for name in FILTERS})

    def figures(self, config: LabelsConfig) -> Figures:
        """{"before": row, "alone": {reason: row}} of the candidates, all and without what a filter alone drops; a row is
        labels, agreement, positives, negatives, contrast."""
        on = filters_on(config)
        alone = {
            name: {"on": name in on, "dropped": dropped.total(), **_row(self.candidates - dropped)}
            for name, dropped in self.alone.items()
        }
        return {"before": _row(self.candidates), "alone": alone}


def kept(config: LabelsConfig, contrasts: Iterable[Contrast], tally: Tally) -> Iterator[Candidate]:
    """The members that no filter in use leaves out, positives first; counts into `tally`."""
    on = filters_on(config)
    for contrast_ in contrasts:
        places = {name: test(contrast_) for name, test in FILTERS.items()}
        for place, member in enumerate(contrast_.members):
            fitting = [name for name in FILTERS if place in places[name]]
            reason = next((name for name in fitting if name in on and _applies(name, member)), None)
            tally.candidates[member.outcome] += 1
            for name in fitting:
                tally.alone[name][member.outcome] += 1
            if reason is None or reason in BY_RULE:
                tally.audited[member.cell] += 1
                tally.audited_of[member.instruction_id][member.outcome] += 1
            if reason is None:
                yield member
            else:
                tally.dropped[reason] += 1


def _applies(name: str, member: Candidate) -> bool:
    return member.for_training or name not in BY_RULE


def _row(counts: Counter[Outcome]) -> Figures:
    return {"labels": counts.total(), **agreement(counts), "contrast": contrast(counts)}
