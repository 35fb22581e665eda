"""Filters of pseudo-labels, and what each of them alone does to agreement with the rules.

A contrast is one positive and the negatives it is set against (none for a positive of a further rung). A filter names the
members to leave out; one that looks at (positive, negative) takes the positive too when no negative is left. Every filter
is measured on every run, used or not, so that the report can say what it would do. Agreement alone flatters a filter that
merely leaves out positives, so `contrast` (pass rate of positives minus that of negatives) stands beside it. The two filters
by rule look at the truth they are measured by: on hard constraints their agreement is high by construction and says nothing
about soft ones. So they leave out training labels alone, and the audit counts what they leave out.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.conflicts import near_duplicates
from ifrl_core.labels.audit import Cell, Counts, Outcome, agreement, by_field, cell_of, contrast
from ifrl_core.rollouts.refusals import refuses

NEAR = 0.9  # word overlap at which near-identical answers are measured when the filter is off
TYPE_REASON = "type without contrast"
CLASS_REASON = "larger class of its type"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A row of the labels table before filters, with what only filters and the audit need of its rollout."""

    row: dict[str, Any]
    text: str  # the whole response, reasoning included
    finish_reason: str
    sample: int

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.row["label"], self.row["verdict"])


@dataclass(frozen=True)
class Contrast:
    positive: Candidate
    negatives: tuple[Candidate, ...]

    @property
    def members(self) -> tuple[Candidate, ...]:
        return (self.positive, *self.negatives)


Filter = Callable[[LabelsConfig, Contrast], set[int]]  # places in `members` to leave out


def _by_pair(test: Callable[[LabelsConfig, Candidate, Candidate], bool]) -> Filter:
    def places(config: LabelsConfig, contrast: Contrast) -> set[int]:
        negatives = enumerate(contrast.negatives, 1)
        found = {place for place, negative in negatives if test(config, contrast.positive, negative)}
        return found | {0} if found and len(found) == len(contrast.negatives) else found

    return places


def _by_member(test: Callable[[Candidate], bool]) -> Filter:
    return lambda _, contrast: {place for place, member in enumerate(contrast.members) if test(member)}


def _identical(_: LabelsConfig, positive: Candidate, negative: Candidate) -> bool:
    return bool(positive.text == negative.text)


def _near_identical(config: LabelsConfig, positive: Candidate, negative: Candidate) -> bool:
    return near_duplicates(positive.row["response"], negative.row["response"], overlap=config.near_identical or NEAR)


def _contradicted_pair(_: LabelsConfig, positive: Candidate, negative: Candidate) -> bool:
    verdicts = (positive.row["verdict"], negative.row["verdict"])
    return None not in verdicts and verdicts != (True, False)


def _contradicted(member: Candidate) -> bool:
    label, verdict = member.outcome
    return verdict is not None and label != int(verdict)


BY_RULE = ("pair contradicted by rules", "label contradicted by its rule")
FILTERS: dict[str, Filter] = {  # by the reason under which what they drop is counted; in the order of their turn
    "identical answers": _by_pair(_identical),
    "near-identical answers": _by_pair(_near_identical),
    "empty answer": _by_member(lambda member: not member.row["response"].strip()),
    "truncated answer": _by_member(lambda member: member.finish_reason == "length"),
    "refusal": _by_member(lambda member: refuses(member.row["response"])),
    "pair contradicted by rules": _by_pair(_contradicted_pair),
    "label contradicted by its rule": _by_member(_contradicted),
}


def filters_on(config: LabelsConfig) -> list[str]:
    """The reasons whose filters the config uses, in the order of FILTERS."""
    on = {
        "identical answers": config.drop_identical,
        "near-identical answers": config.near_identical is not None,
        "empty answer": config.drop_empty,
        "truncated answer": config.drop_truncated,
        "refusal": config.drop_refusals,
        "pair contradicted by rules": config.contradicted == "drop_pair",
        "label contradicted by its rule": config.contradicted == "drop_label",
    }
    return [name for name in FILTERS if on[name]]


@dataclass
class Tally:
    """What filters dropped. Each label is counted under the first reason that fits; `alone` knows all that fit.

    `audited` has, by split, the labels as they were before any rule was asked.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    audited: dict[str, Counter[Cell]] = field(default_factory=lambda: {"train": Counter(), "validation": Counter()})
    before: Counter[Outcome] = field(default_factory=Counter)
    alone: dict[str, Counter[Outcome]] = field(default_factory=lambda: {name: Counter() for name in FILTERS})

    def figures(self, config: LabelsConfig) -> Figures:
        """{"before": row, "alone": {reason: row}}; a row is labels, agreement, positives, negatives, contrast."""
        on = filters_on(config)
        alone = {
            name: {"on": name in on, "dropped": found.total(), **_row(self.before - found)}
            for name, found in self.alone.items()
        }
        return {"before": _row(self.before), "alone": alone}


def kept(config: LabelsConfig, contrasts: Iterable[Contrast], tally: Tally) -> Iterable[Candidate]:
    """The members that no filter in use leaves out, positives first; counts into `tally`."""
    on = filters_on(config)
    for contrast_ in contrasts:
        found = {name: test(config, contrast_) for name, test in FILTERS.items()}
        for place, member in enumerate(contrast_.members):
            tally.before[member.outcome] += 1
            fitting = [name for name, places in found.items() if place in places]
            for name in fitting:
                tally.alone[name][member.outcome] += 1
            used = (name for name in fitting if name in on)
            reason = next((name for name in used if name not in BY_RULE or member.row["split"] == "train"), None)
            if reason is None or reason in BY_RULE:
                tally.audited[member.row["split"]][cell_of(member.row, member.sample)] += 1
            if reason is None:
                yield member
            else:
                tally.dropped[reason] += 1


def types_without_contrast(counts: Counts, threshold: float) -> dict[str, Figures]:
    """Hard types without a contrast whose interval lies above `threshold`, with what was measured."""
    found = {}
    for name, part in by_field({cell: n for cell, n in counts.items() if cell.verdict is not None}, "type").items():
        measured = contrast(part)
        if measured["low"] is None or measured["low"] <= threshold:
            found[name] = {**measured, "labels": part.total()}
    return found


def class_shares(counts: Counts) -> dict[tuple[str, int], float]:
    """What share of the labels of a (type, label) to keep so that a type has as many positives as negatives; a class that
    stands alone is kept."""
    found = {}
    for name, part in by_field(counts, "type").items():
        sizes = {label: sum(n for cell, n in part.items() if cell.label == label) for label in (1, 0)}
        larger = max(sizes, key=lambda label: sizes[label])
        if smaller := sizes[1 - larger]:
            found[name, larger] = smaller / sizes[larger]
    return found


def _row(counts: Counter[Outcome]) -> Figures:
    return {"labels": counts.total(), **agreement(counts), "contrast": contrast(counts)}
