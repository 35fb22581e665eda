"""Which of the training labels that filters leave are trained on: those of hard types without contrast are not.

Validation labels all stay, so that the reward model is still measured on them.
"""

from collections.abc import Collection, Iterable, Iterator

from ifrl_core.labels.audit import Counts, Figures, by_field, contrast
from ifrl_core.labels.contrasts import Candidate
from ifrl_core.labels.filters import Tally

TYPE_REASON = "type without contrast"


def selected(candidates: Iterable[Candidate], left_out: Collection[str], tally: Tally) -> Iterator[Candidate]:
    """All but the training labels of the types `left_out`, which are counted into `tally.dropped`."""
    for candidate in candidates:
        if candidate.for_training and candidate.row["constraint"]["type"] in left_out:
            tally.dropped[TYPE_REASON] += 1
        else:
            yield candidate


def types_without_contrast(counts: Counts, threshold: float) -> dict[str, Figures]:
    """Hard types without a contrast whose interval lies above `threshold`, with what was measured."""
    types = {}
    for name, part in by_field({cell: n for cell, n in counts.items() if cell.verdict is not None}, "type").items():
        measured = contrast(part)
        if measured["low"] is None or measured["low"] <= threshold:
            types[name] = {**measured, "labels": part.total()}
    return types
