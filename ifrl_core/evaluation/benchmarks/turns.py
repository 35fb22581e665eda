"""SysBench's figures over dialogs: criteria, turns, and how long a dialog holds.

Source: Qin et al., SysBench (arXiv 2408.10943).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ifrl_core.evaluation.benchmarks.ladders import leading


@dataclass(frozen=True)
class DialogFigures:
    """`csr`: share of criteria met; `isr`: share of turns with all met; `ssr`: mean number of turns met in a row from the
    first."""

    csr: float
    isr: float
    ssr: float


def dialog_figures(dialogs: Sequence[Sequence[Sequence[bool]]]) -> DialogFigures:
    """`dialogs[d][turn]`: the verdicts on the criteria of that turn.

    Raises:
        ValueError: without dialogs, or when a turn has no criteria.
    """
    if not dialogs or not all(dialog and all(dialog) for dialog in dialogs):
        raise ValueError("every dialog needs turns, and every turn criteria")
    turns = [turn for dialog in dialogs for turn in dialog]
    return DialogFigures(
        csr=fmean(met for turn in turns for met in turn),
        isr=fmean(all(turn) for turn in turns),
        ssr=fmean(leading([all(turn) for turn in dialog]) or 0 for dialog in dialogs),
    )
