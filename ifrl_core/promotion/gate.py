"""Whether a challenger replaces the champion: a pure function of their comparison, the recipe's margins and the look.

decision = decide(comparison_figures, RetrainConfig(), look=3)
decision.promote, decision.reasons      # False, ("response length: answers became 45.0 % longer, ...",)
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ifrl_core.config import RetrainConfig
from ifrl_core.evaluation.difference import POINTS, estimate_of, interval_of
from ifrl_core.promotion.looks import error_of_look
from ifrl_core.statistics.intervals import Estimate, Interval
from ifrl_core.statistics.power import ERROR, POWER, units_needed, units_unseen

Figures = Mapping[str, Any]
Outcome = Literal["passed", "failed", "inconclusive", "not measured"]
PRIMARY = "hard constraints"
ACCURACY, LENGTH, HACKS = "general accuracy", "response length", "hack rate"
BOTH_SIDES = 0.9  # power of each of two sides, when both are asked: 80 % together


@dataclass(frozen=True)
class Check:
    """One metric of the gate. Differences are challenger minus champion, in points of 100 (length: in % of the champion's).

    `low` and `high`: the interval of the difference, each end wrong with probability `error`; `margin`: how much worse is let
    pass; `needed`: units that would most likely be enough where these were too few to tell; `finding`: what came of it in
    words. Figures are None when there was nothing to measure.
    """

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float
    error: float
    passed: bool
    outcome: Outcome
    needed: int | None
    finding: str


@dataclass(frozen=True)
class Decision:
    """`look`: the how manieth decision on these held-out instructions it is; `reasons`: what speaks against the challenger,
    empty when it is promoted."""

    promote: bool
    checks: tuple[Check, ...]
    look: int = 1

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(f"{check.metric}: {check.finding}" for check in self.checks if not check.passed)

    @property
    def said(self) -> str:
        """What was decided, in a word or two."""
        if self.promote:
            return "promoted"
        return "refused, inconclusive" if self.inconclusive else "refused"

    def shown(self) -> dict[str, Any]:
        """The decision for a report: plain JSON."""
        return {"said": self.said, "look": self.look, "checks": [asdict(check) for check in self.checks]}

    @property
    def inconclusive(self) -> bool:
        """Whether nothing speaks against the challenger but that too little was asked to tell."""
        return not self.promote and all(check.outcome in ("passed", "inconclusive") for check in self.checks)


def level_of(look: int) -> str:
    """Of a verdict: which look it is, and what that leaves to chance."""
    return f"(look {look} of this held-out set: level {100 * error_of_look(look):.2g} %)"


def decide(comparison: Figures, gate: RetrainConfig, look: int = 1) -> Decision:
    """Promote when the primary metric rose for sure and every guard for sure got no worse than by its margin.

    `comparison`: figures of the stage of that name, champion before and challenger after. A guard passes on the bad end of
    its 95% interval, and one that was asked for and could not be measured speaks against the challenger: unmeasured is not
    unharmed. The primary metric's interval is wider at every further `look` (looks.py).
    """
    answer = comparison.get("answer", {})
    checks = [_primary(comparison.get("hard", {}).get("overall"), gate, look)]
    if gate.accuracy_margin is not None:
        checks.append(_accuracy(comparison.get("general", {}).get("overall"), gate.accuracy_margin))
    if gate.length_margin is not None:
        checks.append(_length(answer.get("length_words"), gate.length_margin))
    if gate.hack_margin is not None:
        checks.append(_hacks(answer.get("hacked"), gate.hack_margin))
    return Decision(all(check.passed for check in checks), tuple(checks), look)


def _primary(row: Figures | None, gate: RetrainConfig, look: int) -> Check:
    error = error_of_look(look)
    if row is None or not _measured(row):
        return _unmeasured(PRIMARY, 0.0, error)
    interval = interval_of(row, error)
    span, shown = f"{_points(interval)} over {interval.units} held-out instructions", level_of(look)
    if interval.units < gate.min_held_out:
        few = gate.min_held_out
        finding = f"{span}; inconclusive: needs {few}, at least {few} are needed to tell (retrain.min_held_out)"
        return _check(PRIMARY, row, interval, 0.0, error, "inconclusive", finding, few)
    if interval.low > 0:
        finding = f"{span}: better, the interval is clear of 0 {shown}"
        return _check(PRIMARY, row, interval, 0.0, error, "passed", finding)
    if interval.mean <= 0:
        worse = "worse, the interval lies below 0" if interval.high < 0 else "not better"
        return _check(PRIMARY, row, interval, 0.0, error, "failed", f"{span}: {worse} {shown}")
    needed = max(interval.units + 1, units_needed(_spread(estimate_of(row)), interval.mean, error=error))
    finding = (
        f"{span}: not better for sure, the interval is not clear of 0 {shown}; inconclusive: needs {needed} held-out "
        "instructions, if the gain is as large as it looks"
    )
    return _check(PRIMARY, row, interval, 0.0, error, "inconclusive", finding, needed)


def _accuracy(row: Figures | None, margin: float) -> Check:
    if row is None or not _measured(row):
        return _unmeasured(ACCURACY, margin)
    return _guard(ACCURACY, row, margin, f"{_change(row)} points; it may fall by {margin:g}", "problems", fall=True)


def _length(row: Figures | None, margin: float) -> Check:
    """In % of the champion's length. Both ways: answers that shrink drop what was asked, answers that swell pad it."""
    if row is None or not _measured(row) or row["before"] <= 0:
        return _unmeasured(LENGTH, margin)
    before = row["before"]
    share = {
        **row,
        **{key: 100 * row[key] / before for key in ("mean", "low", "high", "error") if row.get(key) is not None},
    }
    longer = "longer" if share["mean"] >= 0 else "shorter"
    finding = (
        f"answers became {abs(share['mean']):.1f} % {longer}, {before:.1f} to {row['after']:.1f} words "
        f"[{share['low']:+.1f}, {share['high']:+.1f}] %; they may change by {margin:g} %"
    )
    return _guard(LENGTH, share, margin, finding, "held-out instructions", fall=True, rise=True, reach=None)


def _hacks(row: Figures | None, margin: float) -> Check:
    if row is None or not _measured(row):
        return _unmeasured(HACKS, margin)
    finding = f"answers that trip a wire: {_change(row)} points; they may rise by {margin:g}"
    return _guard(HACKS, row, margin, finding, "held-out instructions", rise=True)


def _guard(
    metric: str,
    row: Figures,
    margin: float,
    finding: str,
    units: str,
    *,
    fall: bool = False,
    rise: bool = False,
    reach: float | None = POINTS,
) -> Check:
    """Passed when the whole interval keeps within the margin on the sides that are bad, failed when it lies beyond it."""
    interval = interval_of(row, ERROR)
    within = (not fall or interval.low >= -margin) and (not rise or interval.high <= margin)
    beyond = (fall and interval.high < -margin) or (rise and interval.low > margin)
    if within or beyond or margin == 0:
        return _check(metric, row, interval, margin, ERROR, "passed" if within else "failed", finding)
    needed = _needed(estimate_of(row, reach=reach), margin, both=fall and rise)
    finding += f"; inconclusive: needs {needed} {units}, not {interval.units}"
    return _check(metric, row, interval, margin, ERROR, "inconclusive", finding, needed)


def _needed(estimate: Estimate, margin: float, *, both: bool) -> int:
    """Units with which the interval would most likely keep within the margin, were there no true change."""
    unseen = units_unseen(margin / estimate.reach) if estimate.reach is not None else 0
    wanted = units_needed(_spread(estimate), margin, power=BOTH_SIDES if both else POWER)
    return max(estimate.units + 1, unseen, wanted)


def _spread(estimate: Estimate) -> float:
    return estimate.error * math.sqrt(estimate.units)


def _change(row: Figures) -> str:
    return f"{row['before']:.1f} % to {row['after']:.1f} %, {row['mean']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"


def _points(interval: Interval) -> str:
    return f"{interval.mean:+.1f} points [{interval.low:+.1f}, {interval.high:+.1f}]"


def _measured(row: Figures) -> bool:
    values = [row.get(key) for key in ("before", "after", "mean", "low", "high")]
    return all(value is not None and math.isfinite(value) for value in values)


def _check(
    metric: str,
    row: Figures,
    interval: Interval,
    margin: float,
    error: float,
    outcome: Outcome,
    finding: str,
    needed: int | None = None,
) -> Check:
    return Check(
        metric,
        row["before"],
        row["after"],
        interval.mean,
        interval.low,
        interval.high,
        margin,
        error,
        passed=outcome == "passed",
        outcome=outcome,
        needed=needed,
        finding=finding,
    )


def _unmeasured(metric: str, margin: float, error: float = ERROR) -> Check:
    return Check(
        metric,
        *(None, None, None, None, None),
        margin,
        error,
        passed=False,
        outcome="not measured",
        needed=None,
        finding="could not be measured",
    )
