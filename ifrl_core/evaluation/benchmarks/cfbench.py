"""CFBench: how many of an instruction's criteria a response meets, as a judge says.

Source: Zhang et al., CFBench (arXiv 2408.01122). A row's criteria are primary or secondary; `metrics` are its official
three. Means over rows, also by split, are the benchmark's figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

PRIMARY = "主需"
_ENOUGH = 0.8  # of PSR: a row's weighted share has to lie above


@dataclass(frozen=True)
class RowMetrics:
    """Of one row: `csr` the share of criteria met, `isr` all met, `psr` met by the priorities (both booleans)."""

    csr: float
    isr: bool
    psr: bool


def metrics(met: Sequence[bool], primary: Sequence[bool]) -> RowMetrics:
    """`met[i]`: whether criterion i is met; `primary[i]`: whether it is a primary one.

    Raises:
        ValueError: without criteria, or when the two differ in length.
    """
    if not met:
        raise ValueError("a row without criteria has no metrics")
    pairs = list(zip(met, primary, strict=True))
    first = [satisfied for satisfied, is_primary in pairs if is_primary]
    second = [satisfied for satisfied, is_primary in pairs if not is_primary]
    return RowMetrics(fmean(met), all(met), _by_priority(first, second))


def _by_priority(first: Sequence[bool], second: Sequence[bool]) -> bool:
    if not all(first):
        return False
    if not second:
        return True
    return (0.5 + 0.5 * fmean(second) if first else fmean(second)) > _ENOUGH
