"""Constraints that interact: what labels, the reward model and the policy do where two are in conflict or coupled.

    python benchmarks/interacting.py RUN_OR_RECIPE [--seeds 8] [--samples 1] [--max-tokens 96] > benchmarks/interacting.md

The pairs are ifrl_core/data/interacting.jsonl. Built-in seeds are asked four ways: as they are, with the first constraint,
with the second, with both. Of a finished run (its name; store: IFRL_ROOT) base model and policy answer, rules judge hard
constraints and the run's reward model soft ones; of a recipe the base model alone, and hard ones alone. Columns, in per cent:

first, second   satisfied where it alone is asked for; product: of the two, what independent constraints would come to
both            satisfied together where both are asked for (of soft ones: the product of probabilities)
lift            both minus product, in points, with a 95% interval by bootstrap over seeds
labels          right pseudo-labels of the hard ones of a pair: alone (answers with it against those without anything), and on
                top of the other (answers with both against those with the other alone)
reward model    what it believes of both, on the answers of `both`, where rules know what is true
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

import numpy as np

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import EvaluationConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.interacting import Pair, interacting_pairs
from ifrl_core.constraints.verdict import verdicts
from ifrl_core.errors import ConfigError
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.instructions.ladder import prompt_text
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.records import Constraint, Instruction
from ifrl_core.report.text import NOTHING, fixed, signed
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.seeds.read import read_seeds
from ifrl_core.settings import store_root
from ifrl_core.stages.runs import load_record
from ifrl_core.statistics.bootstrap import Mean, bootstrap_mean, clustered
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.statistics.intervals import Floats

HEAD = ("pair", "first", "second", "product", "both", "lift", "labels alone", "on top", "reward model: both")
PARTS = ("first", "second", "both")
Asked = tuple[Constraint, ...]
Answers = dict[tuple[str, Asked], list[str]]  # by seed and constraints, a text a sample
Score = Callable[[Constraint, Sequence[str]], list[float] | None]  # in [0, 1]; None: nobody can say


@dataclass(frozen=True)
class Scored:
    """Of a pair by seed, over samples: each constraint asked alone, and both together."""

    pair: Pair
    parts: dict[str, list[tuple[str, float]]]  # of PARTS: (seed, satisfied)

    def share(self, part: str) -> float:
        return fmean(value for _, value in self.parts[part])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_or_recipe")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=96)
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    models, scorer = found(arguments.run_or_recipe, store)
    seeds, _ = read_seeds((), builtin=True)
    texts = sorted((seed.text for seed in seeds), key=lambda text: rank_by_hash("interacting", text))[: arguments.seeds]
    print(
        f"`benchmarks/interacting.py`: {len(interacting_pairs())} pairs, {arguments.seeds} seeds, {arguments.samples} "
        f"answers each of at most {arguments.max_tokens} tokens, temperature 1. The columns are explained in the script."
    )
    for name, model in models.items():
        said = answered(model, texts, arguments.samples, arguments.max_tokens, store)
        print(f"\n## {name}\n\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
        for row in rows(said, texts, scorer):
            print(f"| {' | '.join(row)} |", flush=True)


def found(name: str, store: ArtifactStore) -> tuple[dict[str, ArtifactRef], RewardModel | None]:
    """The models by what they are called, and the reward model, of a recipe or a run."""
    try:
        config = load_recipe(name, [])
    except ConfigError:
        refs = {key: ArtifactRef.model_validate(ref) for key, ref in load_record(store, name)["refs"].items()}
        models = {title: refs[key] for title, key in (("Base model", "model"), ("Policy", "policy")) if key in refs}
        scorer = RewardModel(model_folder(refs["reward-model"], store)) if "reward-model" in refs else None
        return models, scorer
    return {"Base model": import_model(model_source(config.model), {}, store)}, None


def answered(model: ArtifactRef, texts: Sequence[str], samples: int, max_tokens: int, store: ArtifactStore) -> Answers:
    """Every seed with every set of constraints that a pair asks for."""
    asked = dict.fromkeys(item for pair in interacting_pairs() for item in sets_of(pair))
    wanted = [(text, constraints, sample) for text, constraints, sample in product(texts, asked, range(samples))]
    requests = [
        Request(
            [{"role": "user", "content": prompt_text(Instruction("i", text, constraints, "probe"), len(constraints))}],
            request_seed(0, text, sample),
        )
        for text, constraints, sample in wanted
    ]
    engine = open_engine(EvaluationConfig(), model, store)
    completions = engine.generate(requests, Sampling(max_tokens, 1.0))
    forget_engine()
    said: Answers = {}
    for (text, constraints, _), completion in zip(wanted, completions, strict=True):
        said.setdefault((text, constraints), []).append(completion.text)
    return said


class Hashed(Constraint):
    """A constraint as a key: its arguments are no part of the hash."""

    def __hash__(self) -> int:
        return hash((self.type, self.text))


def sets_of(pair: Pair) -> tuple[Asked, Asked, Asked, Asked]:
    """Nothing, the first, the second, both."""
    first, second = (Hashed(**vars(item)) for item in (pair.first, pair.second))
    return (), (first,), (second,), (first, second)


def rows(said: Answers, texts: Sequence[str], scorer: RewardModel | None) -> list[list[str]]:
    """A row for each kind of pair, then one a pair."""
    score = _score(scorer)
    pairs = [(pair, _scored(pair, said, texts, score)) for pair in interacting_pairs()]
    known = [scored for _, scored in pairs if scored is not None]
    summary = []
    for relation in ("conflict", "coupled"):
        of_kind = [scored for scored in known if scored.pair.relation == relation]
        if of_kind:
            labels = [_labels(scored.pair, said, texts, score) for scored in of_kind]
            alone, on_top = (_mean([row[place] for row in labels]) for place in (0, 1))
            believed = _mean([_believed(scored.pair, said, texts, scorer) for scored in of_kind])
            summary.append(_row(f"**{relation}** ({len(of_kind)} pairs)", of_kind, alone, on_top, believed))
    return summary + [
        _row(pair.name, [scored], *_labels(pair, said, texts, score), _believed(pair, said, texts, scorer))
        if scored is not None
        else [pair.name, *[NOTHING] * (len(HEAD) - 1)]
        for pair, scored in pairs
    ]


def _score(scorer: RewardModel | None) -> Score:
    def score(constraint: Constraint, answers: Sequence[str]) -> list[float] | None:
        if constraint.kind == "hard":
            return [float(bool(verdicts([constraint], answer)[0])) for answer in answers]
        if scorer is None:
            return None
        said = scorer.probabilities([(answer, constraint.text) for answer in answers])
        return None if None in said else [float(value or 0.0) for value in said]

    return score


def _scored(pair: Pair, said: Answers, texts: Sequence[str], score: Score) -> Scored | None:
    _, first, second, both = sets_of(pair)
    parts: dict[str, list[tuple[str, float]]] = {part: [] for part in PARTS}
    for text in texts:
        alone = score(pair.first, said[text, first]), score(pair.second, said[text, second])
        together = score(pair.first, said[text, both]), score(pair.second, said[text, both])
        if None in (*alone, *together):
            return None
        joint = [a * b for a, b in zip(*map(_given, together), strict=True)]
        for part, values in zip(PARTS, (*map(_given, alone), joint), strict=True):
            parts[part] += [(text, value) for value in values]
    return Scored(pair, parts)


def _labels(pair: Pair, said: Answers, texts: Sequence[str], score: Score) -> tuple[float | None, float | None]:
    """Shares of right pseudo-labels of the pair's hard constraints: alone, and on top of the other."""
    nothing, first, second, both = sets_of(pair)
    alone: list[float] = []
    on_top: list[float] = []
    for constraint, own, other in ((pair.first, first, second), (pair.second, second, first)):
        if constraint.kind == "soft":
            continue
        for text in texts:
            for right, positives, negatives in ((alone, own, nothing), (on_top, both, other)):
                right += _given(score(constraint, said[text, positives]))
                right += [1 - value for value in _given(score(constraint, said[text, negatives]))]
    return _mean(alone), _mean(on_top)


def _believed(pair: Pair, said: Answers, texts: Sequence[str], scorer: RewardModel | None) -> float | None:
    if scorer is None:
        return None
    answers = [answer for text in texts for answer in said[text, sets_of(pair)[3]]]
    first, second = (
        scorer.probabilities([(answer, constraint.text) for answer in answers])
        for constraint in (pair.first, pair.second)
    )
    return _mean([a * b for a, b in zip(first, second, strict=True) if a is not None and b is not None])


def lift(scored: Sequence[Scored]) -> Mean:
    """Both minus the product of each alone, a mean over pairs, with its interval over seeds."""
    values = [
        (value, seed, f"{item.pair.name}/{part}")
        for item in scored
        for part in PARTS
        for seed, value in item.parts[part]
    ]
    of_all = clustered([value for value, _, _ in values], [seed for _, seed, _ in values], [at for _, _, at in values])
    return bootstrap_mean(of_all, _lift)


def _lift(sums: Floats, counts: Floats) -> Floats:
    means = (sums / counts).reshape(*sums.shape[:-1], -1, len(PARTS))
    lifted: Floats = np.mean(means[..., 2] - means[..., 0] * means[..., 1], axis=-1)
    return lifted


def _row(
    name: str, scored: Sequence[Scored], alone: float | None, on_top: float | None, believed: float | None
) -> list[str]:
    first, second, both = (fmean(item.share(part) for item in scored) for part in PARTS)
    expected = fmean(item.share("first") * item.share("second") for item in scored)
    found = lift(scored)
    between = (
        "" if found.low is None or found.high is None else f" [{fixed(100 * found.low)}, {fixed(100 * found.high)}]"
    )
    shares = [_percent(value) for value in (first, second, expected, both)]
    return [name, *shares, f"{signed(100 * found.mean)}{between}", *map(_percent, (alone, on_top, believed))]


def _percent(share: float | None) -> str:
    return NOTHING if share is None else fixed(100 * share, 0)


def _given(values: list[float] | None) -> list[float]:
    assert values is not None
    return values


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


if __name__ == "__main__":
    main()
