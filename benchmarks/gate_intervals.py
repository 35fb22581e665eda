"""Intervals of a paired difference over clusters: how often each misses the truth, on each side.

    nice python benchmarks/gate_intervals.py [--simulations 4000] [--level 0.95] > table.md

Every model of the data is simulated with 20, 30, 40 and 60 clusters, and every interval asked for the same simulations. A
gate asks one side: `low > truth` promotes what is no better, `high < truth` refuses what is no worse, so the two are counted
apart; nominal is half of 1 - level each. The seed of a cell is a hash of its names.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from ifrl_core.config import RetrainConfig
from ifrl_core.evaluation.difference import difference
from ifrl_core.promotion.gate import decide
from ifrl_core.promotion.looks import error_of_look
from ifrl_core.statistics.by_hash import seed_by_hash
from ifrl_core.statistics.intervals import cluster_mean, ratio_of_sums

Floats = NDArray[np.float64]
Random = np.random.Generator
CLUSTERS = (20, 30, 40, 60)
RESAMPLES = 2_000
_TRUTH_FROM = 400_000  # clusters that the truth of a model without a formula is taken from


@dataclass(frozen=True)
class Data:
    """`sums` and `counts` of (after - before) in points, both (simulations, clusters)."""

    sums: Floats
    counts: Floats
    reach: float | None = 100.0

    @property
    def mean(self) -> Floats:
        return np.asarray(self.sums.sum(1) / self.counts.sum(1))

    @property
    def influences(self) -> Floats:
        """(simulations, clusters): what each cluster adds to the error of the mean, to first order."""
        return np.asarray((self.sums - self.mean[:, None] * self.counts) / self.counts.mean(1, keepdims=True))


def _rungs(random: Random, shape: tuple[int, int], effect: float) -> Data:
    """Five rungs of 1 to 5 constraints, of which 60 % are hard; one ability an instruction, one difficulty a constraint."""
    simulations, clusters = shape
    ability = random.normal(-0.5, 1.0, (simulations, clusters, 1, 1))
    skills = [ability + random.normal(mean, 0.7, ability.shape) for mean in (0.0, effect)]
    difficulty = random.normal(0, 1.5, (simulations, clusters, 1, 5))
    asked = (np.arange(5)[None, :] <= np.arange(5)[:, None]) & (random.random((simulations, clusters, 1, 5)) < 0.6)
    asked[..., 0] |= ~asked.any((2, 3))[..., None]  # no instruction without any
    # What an answer gets right it tends to get right throughout.
    luck = random.normal(0, 0.7, (2, simulations, clusters, 5, 1))
    before, after = (
        random.random((simulations, clusters, 5, 5)) < 1 / (1 + np.exp(-(skill + difficulty + of_answer)))
        for skill, of_answer in zip(skills, luck, strict=True)
    )
    change = np.where(asked, after.astype(float) - before, 0.0)
    return Data(100 * change.sum((2, 3)), asked.sum((2, 3)).astype(float))


def _single(values: Floats, reach: float | None = None) -> Data:
    return Data(values, np.ones_like(values), reach)


def _problems(lost: float, gained: float) -> Callable[[Random, tuple[int, int]], Data]:
    """One problem a cluster: lost, gained, or as before (the most)."""

    def draw(random: Random, shape: tuple[int, int]) -> Data:
        u = random.random(shape)
        return _single(100.0 * ((u > 1 - gained).astype(float) - (u < lost)), 100.0)

    return draw


def _heavy(random: Random, shape: tuple[int, int]) -> Data:
    """Sizes of a lognormal (one cluster often holds a quarter of all items), and larger clusters change more either way."""
    counts = np.ceil(random.lognormal(1.0, 1.0, shape))
    rate = random.normal(0, 1, shape) * (0.5 + np.log(counts)) / 4
    noise = random.normal(0, 0.5, shape) / np.sqrt(counts)
    return Data(100 * counts * np.clip(rate + noise, -1, 1), counts)


def _skewed(sign: float) -> Callable[[Random, tuple[int, int]], Data]:
    return lambda random, shape: _single(sign * 20 * (random.exponential(size=shape) - 1))


def _lengths(random: Random, shape: tuple[int, int]) -> Data:
    """Words of an answer: lognormal, correlated before and after, 20 % longer after."""
    shared = random.normal(0, 0.5, shape)
    before, after = (np.exp(4 + shift + shared + random.normal(0, 0.4, shape)) for shift in (0.0, np.log(1.2)))
    return _single(after - before)


MODELS: dict[str, Callable[[Random, tuple[int, int]], Data]] = {
    "rungs, no effect": lambda random, shape: _rungs(random, shape, 0.0),
    "rungs, a gain": lambda random, shape: _rungs(random, shape, 0.8),
    "heavy sizes": _heavy,
    "skewed up": _skewed(1),
    "skewed down": _skewed(-1),
    "mostly ties": _problems(0.08, 0.08),
    "ties, 6 points lost": _problems(0.10, 0.04),
    "rare losses": _problems(0.06, 0.0),
    "lengths": _lengths,
}


@dataclass(frozen=True)
class Resamples:
    """Bootstrap means of all simulations, sorted, and what BCa and bootstrap-t need of them."""

    means: Floats  # (simulations, resamples), in the order of the draws
    errors: Floats  # standard error within each resample


def resampled(data: Data, random: Random) -> Resamples:
    clusters = data.sums.shape[1]
    weights = random.multinomial(clusters, np.full(clusters, 1 / clusters), RESAMPLES).astype(float).T
    sums, counts = data.sums @ weights, data.counts @ weights
    means = sums / counts
    squares = (data.sums**2) @ weights - 2 * means * ((data.sums * data.counts) @ weights)
    squares += means**2 * ((data.counts**2) @ weights)
    errors = np.sqrt(np.maximum(squares, 0) * clusters / (clusters - 1)) / counts
    return Resamples(means, errors)


Ends = tuple[Floats, Floats]


def percentile(data: Data, drawn: Resamples, level: float) -> Ends:
    """Percentile bootstrap: Efron and Tibshirani (1993), ch. 13."""
    low, high = np.quantile(drawn.means, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low, high


def bca(data: Data, drawn: Resamples, level: float) -> Ends:
    """Bias-corrected and accelerated: Efron, Better Bootstrap Confidence Intervals (JASA 82, 1987)."""
    mean = data.mean[:, None]
    below = ((drawn.means < mean).mean(1) + (drawn.means <= mean).mean(1)) / 2
    bias = norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    influences = data.influences
    cubes, squares = (influences**3).sum(1), (influences**2).sum(1)
    acceleration = cubes / np.maximum(6 * squares**1.5, 1e-300)
    ordered = np.sort(drawn.means, axis=1)

    def end(q: float) -> Floats:
        z = bias + norm.ppf(q)
        place = norm.cdf(bias + z / np.maximum(1 - acceleration * z, 1e-3))
        index = np.clip(place * (RESAMPLES - 1), 0, RESAMPLES - 1)
        left = index.astype(int)
        right = np.minimum(left + 1, RESAMPLES - 1)
        rows = np.arange(len(left))
        return np.asarray(ordered[rows, left] + (index - left) * (ordered[rows, right] - ordered[rows, left]))

    return end((1 - level) / 2), end((1 + level) / 2)


def bootstrap_t(data: Data, drawn: Resamples, level: float) -> Ends:
    """Studentised bootstrap: Efron and Tibshirani (1993), ch. 12; resamples without any spread are left out."""
    mean, error = data.mean, _error(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = np.where(drawn.errors > 0, (drawn.means - mean[:, None]) / drawn.errors, np.nan)
        few, many = np.nanquantile(studentised, [(1 - level) / 2, (1 + level) / 2], axis=1)
    few, many = np.nan_to_num(few), np.nan_to_num(many)
    return mean - many * error, mean - few * error


def cluster_t(data: Data, drawn: Resamples, level: float) -> Ends:
    """Linearised error, clusters - 1 degrees of freedom: Cameron and Miller (J. Human Resources 50, 2015)."""
    return _around(data.mean, student.ppf((1 + level) / 2, data.sums.shape[1] - 1) * _error(data))


def jackknife_t(data: Data, drawn: Resamples, level: float) -> Ends:
    """The same with the jackknife's error: MacKinnon, Nielsen and Webb (J. Applied Econometrics 38, 2023)."""
    error = np.sqrt((1 - 1 / data.sums.shape[1]) * (_jumps(data) ** 2).sum(1))
    return _around(data.mean, student.ppf((1 + level) / 2, data.sums.shape[1] - 1) * error)


def skewed_t(data: Data, drawn: Resamples, level: float) -> Ends:
    """jackknife_t moved on both sides by the first Cornish-Fisher term of the skewness: Johnson (JASA 73, 1978)."""
    jumps, clusters = _jumps(data), data.sums.shape[1]
    squares = (jumps**2).sum(1)
    error, quantile = np.sqrt((1 - 1 / clusters) * squares), student.ppf((1 + level) / 2, clusters - 1)
    shift = (jumps**3).sum(1) / np.maximum(squares**1.5, 1e-300) / 6 * (1 + 2 * quantile**2)
    return data.mean - (quantile - shift) * error, data.mean + (quantile + shift) * error


def ours(data: Data, drawn: Resamples, level: float) -> Ends:
    """What ifrl_core/statistics/intervals.py does."""
    rows = zip(data.sums, data.counts, strict=True)
    intervals = [ratio_of_sums(*row, reach=data.reach).interval(level) for row in rows]
    return np.array([i.low for i in intervals]), np.array([i.high for i in intervals])


def _around(mean: Floats, half: Floats) -> Ends:
    return mean - half, mean + half


def _error(data: Data) -> Floats:
    clusters = data.sums.shape[1]
    return np.asarray(np.sqrt((data.influences**2).sum(1) / (clusters * (clusters - 1))))


def _jumps(data: Data) -> Floats:
    """(simulations, clusters): what a cluster adds to the mean of the others."""
    rest = data.counts.sum(1, keepdims=True) - data.counts
    return np.asarray((data.sums - data.mean[:, None] * data.counts) / rest)


INTERVALS: dict[str, Callable[[Data, Resamples, float], Ends]] = {
    "percentile": percentile,
    "BCa": bca,
    "bootstrap-t": bootstrap_t,
    "cluster-t": cluster_t,
    "jackknife-t": jackknife_t,
    "skewed-t": skewed_t,
    "ours": ours,
}


TRUTH = {"rungs, no effect": 0.0, "heavy sizes": 0.0, "skewed up": 0.0, "skewed down": 0.0, "mostly ties": 0.0}
TRUTH |= {"ties, 6 points lost": -6.0, "rare losses": -6.0}


def truth(name: str) -> float:
    """What the model says, or the mean over items of very many clusters."""
    if name in TRUTH:
        return TRUTH[name]
    random = np.random.default_rng(seed_by_hash("truth", name))
    parts = [MODELS[name](random, (1, _TRUTH_FROM // 20)) for _ in range(20)]
    return float(sum(part.sums.sum() for part in parts) / sum(part.counts.sum() for part in parts))


def cell(name: str, clusters: int, simulations: int, level: float) -> dict[str, tuple[float, float, float]]:
    """By interval: shares of simulations with `low` above and `high` below the truth in %, and the mean width."""
    random = np.random.default_rng(seed_by_hash("gate intervals", name, clusters))
    parts = [MODELS[name](random, (len(part), clusters)) for part in np.array_split(np.arange(simulations), 8)]
    sums, counts = (np.concatenate([getattr(part, column) for part in parts]) for column in ("sums", "counts"))
    data, true = Data(sums, counts, parts[0].reach), truth(name)
    drawn = resampled(data, random)
    found = {}
    for title, interval in INTERVALS.items():
        low, high = interval(data, drawn, level)
        found[title] = (100 * float((low > true).mean()), 100 * float((high < true).mean()), float((high - low).mean()))
    return found


def guard_passes(
    problems: int, lost: float, gained: float, margin: float, simulations: int
) -> tuple[float, float, float]:
    """Of challengers that lose and gain these shares of their problems, in %: passed, inconclusive, failed."""
    random = np.random.default_rng(seed_by_hash("guard", problems, str(lost), str(gained), str(margin)))
    draw, config = _problems(lost, gained), RetrainConfig(accuracy_margin=margin, length_margin=None, hack_margin=None)
    outcomes = []
    for changes in draw(random, (simulations, problems)).sums:
        pairs = [{"before": 0.0, "after": change / 100, "cluster": place} for place, change in enumerate(changes)]
        outcomes.append(decide({"general": {"overall": difference(pairs)}}, config).checks[1].outcome)
    shares = [100 * sum(o == wanted for o in outcomes) / simulations for wanted in ("passed", "inconclusive", "failed")]
    return shares[0], shares[1], shares[2]


def ever_promoted(looks: int, clusters: int, simulations: int) -> tuple[float, float]:
    """Of held-out sets on which `looks` challengers that are no better are tried, the share in % that promoted one: with
    every look at the 95% interval, and with what looks.py leaves each. All are compared with the same answers of the
    champion."""
    random = np.random.default_rng(seed_by_hash("looks", looks, clusters))
    plain = spent = 0
    for _ in range(simulations):
        ability = random.normal(0, 0.15, clusters)
        champion, *challengers = np.clip(0.4 + ability + random.normal(0, 0.2, (looks + 1, clusters)), 0, 1)
        found = [cluster_mean(100 * (challenger - champion), reach=100.0) for challenger in challengers]
        plain += any(estimate.interval().low > 0 for estimate in found)
        spent += any(e.interval(1 - 2 * error_of_look(look)).low > 0 for look, e in enumerate(found, 1))
    return 100 * plain / simulations, 100 * spent / simulations


def gate_tables(simulations: int) -> None:
    print("\n| problems | truth, points | margin | passed | inconclusive | failed |\n|---|---|---|---|---|---|")
    for problems, lost, gained, margin in (
        (60, 0.10, 0.04, 3),
        (60, 0.07, 0.07, 3),
        (400, 0.10, 0.04, 3),
        (1071, 0.085, 0.055, 3),
        (1071, 0.07, 0.07, 3),
        (60, 0.22, 0.07, 15),
        (60, 0.07, 0.07, 15),
    ):
        shares = guard_passes(problems, lost, gained, margin, simulations)
        shown = " | ".join(f"{share:.1f} %" for share in shares)
        print(f"| {problems} | {100 * (gained - lost):+.0f} | {margin} | {shown} |", flush=True)
    print("\n| looks | 95% at each | spent as looks.py says |\n|---|---|---|")
    for looks in (1, 3, 10, 30):
        plain, spent = ever_promoted(looks, 60, simulations)
        print(f"| {looks} | {plain:.1f} % | {spent:.1f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=4_000)
    parser.add_argument("--level", type=float, default=0.95)
    arguments = parser.parse_args()
    print(f"| model | clusters | {' | '.join(INTERVALS)} |")
    print(f"|---|---|{'---|' * len(INTERVALS)}")
    worst = dict.fromkeys(INTERVALS, 0.0)
    for name in MODELS:
        for clusters in CLUSTERS:
            found = cell(name, clusters, arguments.simulations, arguments.level)
            shown = [f"{low:.1f} / {high:.1f} ({width:.1f})" for low, high, width in found.values()]
            print(f"| {name} | {clusters} | {' | '.join(shown)} |", flush=True)
            worst = {title: max(worst[title], *found[title][:2]) for title in worst}
    print(f"| the worst side | | {' | '.join(f'{value:.1f}' for value in worst.values())} |")
    gate_tables(arguments.simulations)


if __name__ == "__main__":
    main()
