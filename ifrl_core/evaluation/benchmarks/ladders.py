"""How far a row of steps holds: the levels of a ladder, the turns of a dialog."""

from collections.abc import Sequence


def leading(verdicts: Sequence[bool | None]) -> int | None:
    """How many hold before the first that does not; None when one that is not known stands before that."""
    for place, holds in enumerate(verdicts):
        if not holds:
            return place if holds is False else None
    return len(verdicts)
