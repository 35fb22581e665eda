"""MultiChallenge: the share of conversations whose last answer passes, by axis.

Source: Sirdeshmukh et al., MultiChallenge (arXiv 2501.17399). Overall is the plain mean of the four axes; a row that no judge
could score belongs to none (officially errors make a fifth axis).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

AXES = ("INFERENCE_MEMORY", "INSTRUCTION_RETENTION", "SELF_COHERENCE", "RELIABLE_VERSION_EDITING")


@dataclass(frozen=True)
class AxisFigures:
    """Shares in [0, 1]; `by_axis` has the axes that had a scored row. `overall` is None unless all four have."""

    by_axis: dict[str, float]
    unscored: int

    @property
    def overall(self) -> float | None:
        return fmean(self.by_axis.values()) if len(self.by_axis) == len(AXES) else None


def axis_figures(graded: Sequence[tuple[str, bool | None]]) -> AxisFigures:
    """`graded`: (axis, passed) a row; None where the judge's reply could not be read.

    Raises:
        ValueError: for an axis that MultiChallenge has not.
    """
    if unknown := {axis for axis, _ in graded} - set(AXES):
        raise ValueError(f"{sorted(unknown)[0]!r} is no axis; expected one of {', '.join(AXES)}")
    scored = {axis: [passed for name, passed in graded if name == axis and passed is not None] for axis in AXES}
    by_axis = {axis: fmean(passes) for axis, passes in scored.items() if passes}
    return AxisFigures(by_axis, sum(passed is None for _, passed in graded))
