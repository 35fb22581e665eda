"""How many units a question needs, and what a number of units can answer, before anything is measured.

`spread`: standard deviation of a unit's difference, in the unit of the effect. `error`: of one side. Normal theory, with two
units more for Student's t (half of z squared: Guenther, Sample Size Formulas for Normal Theory T Tests, Am. Statistician 35,
1981).
"""

import math

POWER = 0.8
ERROR = 0.025  # of one side of a 95% interval
_MOST = 1_000  # root of the most units that are told apart from infinitely many


def normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def units_needed(spread: float, effect: float, *, error: float = ERROR, power: float = POWER) -> int:
    """Fewest units with which an interval is clear of 0 with probability `power` when the true difference is `effect` (> 0);
    or keeps within a margin of that size when there is none."""
    return math.ceil(min(_MOST, _quantiles(error, power) * spread / effect) ** 2) + 2


def detectable(spread: float, units: int, *, error: float = ERROR, power: float = POWER) -> float | None:
    """The smallest true difference that `units` show with probability `power`; None when there are too few to say."""
    return _quantiles(error, power) * spread / math.sqrt(units - 2) if units > 2 else None


def units_unseen(share: float, *, error: float = ERROR) -> int:
    """Fewest units that, all alike, rule out that this share of them is different (the rule of three)."""
    return math.ceil(math.log(error) / math.log1p(-share)) if share < 1 else 1


def _quantiles(error: float, power: float) -> float:
    return normal_quantile(1 - error) + normal_quantile(power)
