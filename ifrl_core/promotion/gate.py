"""Whether a challenger replaces the champion: a pure function of their comparison and the margins of the recipe.

decision = decide(comparison_figures, RetrainConfig())
decision.promote, decision.reasons      # False, ("response length: answers became 45.0 % longer, ...",)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifrl_core.config import RetrainConfig

Figures = Mapping[str, Any]
PRIMARY = "hard constraints"
ACCURACY, LENGTH, HACKS = "general accuracy", "response length", "hack rate"


@dataclass(frozen=True)
class Check:
    """One metric of the gate. Differences are challenger minus champion, in points of 100 (length: in % of the champion's).

    `low` and `high`: the paired bootstrap 95% interval of the difference; `margin`: how much worse is let pass; `finding`:
    what came of it in words. Figures are None when there was nothing to measure.
    """

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float
    passed: bool
    finding: str


@dataclass(frozen=True)
class Decision:
    """`reasons`: what speaks against the challenger, empty when it is promoted."""

    promote: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(f"{check.metric}: {check.finding}" for check in self.checks if not check.passed)


def decide(comparison: Figures, gate: RetrainConfig) -> Decision:
    """Promote when the primary metric rose for sure and no guard got worse by more than its margin.

    `comparison`: figures of the stage of that name, champion before and challenger after. A guard that was asked for and
    could not be measured speaks against the challenger: unmeasured is not unharmed.
    """
    answer = comparison.get("answer", {})
    checks = [_primary(comparison.get("hard", {}).get("overall"), gate)]
    if gate.accuracy_margin is not None:
        checks.append(_accuracy(comparison.get("general", {}).get("overall"), gate.accuracy_margin))
    if gate.length_margin is not None:
        checks.append(_length(answer.get("length_words"), gate.length_margin))
    if gate.hack_margin is not None:
        checks.append(_hacks(answer.get("hacked"), gate.hack_margin))
    return Decision(all(check.passed for check in checks), tuple(checks))


def _primary(row: Figures | None, gate: RetrainConfig) -> Check:
    if row is None or not _measured(row):
        return _unmeasured(PRIMARY, 0.0)
    units, low, high = int(row["units"]), row["low"], row["high"]
    span = f"{row['mean']:+.1f} points [{low:+.1f}, {high:+.1f}] over {units} held-out instructions"
    if units < gate.min_held_out:
        finding = f"{span}; at least {gate.min_held_out} are needed to tell (retrain.min_held_out)"
        return _check(PRIMARY, row, 0.0, False, finding)
    if low > 0:
        return _check(PRIMARY, row, 0.0, True, f"{span}: better, the interval is clear of 0")
    worse = "worse" if high < 0 else "not better for sure"
    why = "the interval lies below 0" if high < 0 else "the interval is not clear of 0"
    return _check(PRIMARY, row, 0.0, False, f"{span}: {worse}, {why}")


def _accuracy(row: Figures | None, margin: float) -> Check:
    if row is None or not _measured(row):
        return _unmeasured(ACCURACY, margin)
    passed = row["mean"] >= -margin
    return _check(ACCURACY, row, margin, passed, f"{_change(row)} points; it may fall by {margin:g}")


def _length(row: Figures | None, margin: float) -> Check:
    """In % of the champion's length. Both ways: answers that shrink drop what was asked, answers that swell pad it."""
    if row is None or not _measured(row) or row["before"] <= 0:
        return _unmeasured(LENGTH, margin)
    before = row["before"]
    share = {key: 100 * row[key] / before for key in ("mean", "low", "high")}
    longer = "longer" if share["mean"] >= 0 else "shorter"
    finding = (
        f"answers became {abs(share['mean']):.1f} % {longer}, {before:.1f} to {row['after']:.1f} words; they may change by "
        f"{margin:g} %"
    )
    return _check(LENGTH, {**row, **share}, margin, abs(share["mean"]) <= margin, finding)


def _hacks(row: Figures | None, margin: float) -> Check:
    if row is None or not _measured(row):
        return _unmeasured(HACKS, margin)
    finding = f"answers that trip a wire: {_change(row)} points; they may rise by {margin:g}"
    return _check(HACKS, row, margin, row["mean"] <= margin, finding)


def _change(row: Figures) -> str:
    return f"{row['before']:.1f} % to {row['after']:.1f} %, {row['mean']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"


def _measured(row: Figures) -> bool:
    values = [row.get(key) for key in ("before", "after", "mean", "low", "high")]
    return all(value is not None and math.isfinite(value) for value in values)


def _check(metric: str, row: Figures, margin: float, passed: bool, finding: str) -> Check:
    return Check(
        metric,
        row["before"],
        row["after"],
        row["mean"],
        row["low"],
        row["high"],
        margin,
        passed=passed,
        finding=finding,
    )


def _unmeasured(metric: str, margin: float) -> Check:
    return Check(metric, None, None, None, None, None, margin, passed=False, finding="could not be measured")
