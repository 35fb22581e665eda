"""Which of the training labels that filters leave are trained on: types without contrast go, classes are made even.

Validation labels all stay, so that the reward model is still measured on them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ifrl_core.config import LabelsConfig
from ifrl_core.labels.audit import Counts, Figures, by_field, contrast
from ifrl_core.labels.contrasts import Candidate
from ifrl_core.labels.filters import Tally
from ifrl_core.statistics.by_hash import share_by_hash

TYPE_REASON = "type without contrast"
CLASS_REASON = "larger class of its type"


@dataclass(frozen=True)
class Selection:
    """`left_out`: hard types without contrast, with what was measured; `shares`: what share to keep of a (type, label),
    all where it has none."""

    left_out: Mapping[str, Figures]
    shares: Mapping[tuple[str, int], float]
    seed: int

    def chosen(self, candidates: Iterable[Candidate], tally: Tally) -> Iterator[Candidate]:
        """All but the training labels that are not trained on, which are counted into `tally.dropped`."""
        for candidate in candidates:
            if candidate.for_training and (reason := self._reason(candidate)):
                tally.dropped[reason] += 1
            else:
                yield candidate

    def _reason(self, candidate: Candidate) -> str | None:
        row = candidate.row
        type_ = row["constraint"]["type"]
        if type_ in self.left_out:
            return TYPE_REASON
        # By hash: a label that comes or goes never moves the others.
        drawn = share_by_hash("labels", self.seed, row["label_id"])
        return CLASS_REASON if drawn >= self.shares.get((type_, row["label"]), 1.0) else None


def needs_counts(config: LabelsConfig) -> bool:
    """Whether a selection depends on counts at all."""
    return config.balance or config.drop_types_without_contrast is not None


def select(config: LabelsConfig, filtered: Counts, seed: int) -> Selection:
    """`filtered`: counts of the training labels that filters leave; nothing is looked up in them unless `needs_counts`."""
    threshold = config.drop_types_without_contrast
    left_out = {} if threshold is None else types_without_contrast(filtered, threshold)
    return Selection(left_out, class_shares(filtered) if config.balance else {}, seed)


def types_without_contrast(counts: Counts, threshold: float) -> dict[str, Figures]:
    """Hard types without a contrast whose interval lies above `threshold`, with what was measured."""
    types = {}
    for name, part in by_field({cell: n for cell, n in counts.items() if cell.verdict is not None}, "type").items():
        measured = contrast(part)
        if measured["low"] is None or measured["low"] <= threshold:
            types[name] = {**measured, "labels": part.total()}
    return types


def class_shares(counts: Counts) -> dict[tuple[str, int], float]:
    """What share of the labels of a (type, label) to keep so that a type has as many positives as negatives; a class that
    stands alone is kept."""
    shares = {}
    for name, part in by_field(counts, "type").items():
        sizes = {label: sum(n for cell, n in part.items() if cell.label == label) for label in (1, 0)}
        larger = max(sizes, key=lambda label: sizes[label])
        if smaller := sizes[1 - larger]:
            shares[name, larger] = smaller / sizes[larger]
    return shares
