"""From measured pass rates to weights of types, so that each level's pass rate moves into a corridor.

Prompts that always or never pass give a group of rollouts no spread of rewards, hence no gradient. A level's pass rate is
the mean share of an answer's hard constraints that are satisfied. Constraint k is drawn anew for its level, so each level
has a tilt of its own: the weight of a type with pass rate r is multiplied by exp(tilt * r). Of all weights that give the
wanted mean rate, these stay closest to the given ones (least relative entropy).
"""

import math
from collections.abc import Mapping, Sequence

from ifrl_core.constraints.sampling import Weights

_STEEPEST = 60.0
_LEAST = 1e-3
_INWARD = 0.25  # aim so far inside the nearest bound, as a part of the corridor's width


def next_weights(
    weights: Weights,
    rates: Mapping[str, float],
    measured: Sequence[float | None],
    corridor: tuple[float, float],
) -> list[dict[str, float]]:
    """Weights for levels 1..n from those that were `measured` (level pass rates, None where nothing was).

    `weights` are what the measured instructions were drawn with, `rates` the pass rate of every hard type in [0, 1].
    Levels inside the corridor keep their part of the constraints as easy as it is.
    """
    shifted: list[dict[str, float]] = []
    moved = 0.0  # by how much the sum of the mean rates of all positions so far has changed
    for position, rate in enumerate(measured):
        now = dict(weights[min(position, len(weights) - 1)]) if weights else {}
        level = position + 1
        change = 0.0 if rate is None else level * _miss(rate, corridor) - moved
        if rate is None or change == 0.0:
            shifted.append(now)
            continue
        before = mean_rate(now, rates, 0.0)
        target = min(max(before + change, 0.0), 1.0)
        tilt = _tilt(now, rates, target)
        shifted.append(now | _tilted(now, rates, tilt))
        moved += mean_rate(now, rates, tilt) - before
    return shifted


def inside(measured: Sequence[float | None], corridor: tuple[float, float]) -> bool:
    """Whether every measured level lies in the corridor."""
    return all(rate is None or corridor[0] <= rate <= corridor[1] for rate in measured)


def mean_rate(weights: Mapping[str, float], rates: Mapping[str, float], tilt: float) -> float:
    """The expected pass rate of a type drawn by `weights` times exp(tilt * rate); 1 where a type has no weight."""
    top = max((tilt * rate for rate in rates.values()), default=0.0)
    mass = {t: weights.get(t, 1.0) * math.exp(tilt * rate - top) for t, rate in rates.items()}
    total = sum(mass.values())
    return sum(mass[t] * rate for t, rate in rates.items()) / total if total else 0.0


def _tilted(weights: Mapping[str, float], rates: Mapping[str, float], tilt: float) -> dict[str, float]:
    """The tilted weights, the greatest of them 1; none falls below `_LEAST`, for rates change as the model learns."""
    logs = {t: math.log(w) + tilt * rate for t, rate in rates.items() if (w := weights.get(t, 1.0)) > 0}
    top = max(logs.values(), default=0.0)
    return {t: max(_LEAST, math.exp(log - top)) for t, log in logs.items()}


def _miss(rate: float, corridor: tuple[float, float]) -> float:
    """What is to be added to a level's pass rate; 0 inside the corridor."""
    low, high = corridor
    margin = _INWARD * (high - low)
    if rate < low:
        return low + margin - rate
    return high - margin - rate if rate > high else 0.0


def _tilt(weights: Mapping[str, float], rates: Mapping[str, float], target: float) -> float:
    """The tilt whose mean rate is `target`, by bisection: the mean rate grows with the tilt. Bounded where none is."""
    low, high = -_STEEPEST, _STEEPEST
    for _ in range(60):
        middle = (low + high) / 2
        if mean_rate(weights, rates, middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2
