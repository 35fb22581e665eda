"""Do other labels than those of the rungs of a ladder teach more? Rules hidden, screened as by rules_hidden_probe.py.

    python benchmarks/rules_hidden_prompts.py reward-model-cpu --set seeds.train=110 [--seeds 0,1,2]

Beside the answers of the rungs (own), for every constraint c of a ladder:

without   the full prompt less c (leave one out): negative for c, positive for the others, and as long whichever is left out
stressed  the full prompt with c once more at its end: positive for c
drawn     the full prompt three times again: of these and the last rung's the answer with the highest likelihood contrast is
          the positive of c, that with the lowest its negative
opposite  no new answer: one of a rung that asks for c is a negative of the opposite of c, and of one that does not, positive

Then the positives and the negatives of a type are taken for two unlabelled sets of which the shares theta are true (UU
learning); theta is found again three times, from what a classifier of other ladders says. The next lines weigh the squared
norm more, as a control; the last ones change the loss.

Lines say which of these are trained on; graded are the answers of the rungs with their own constraints. The last column: what
is gained within types over all rungs, paired, with its 95% interval over ladders (the mean score of all draws of folds). A
seed draws instructions, constraints and answers anew. The last table: the gains of all seeds, with Student's 95% interval
over seeds, and one over the ladders of all of them, as if no two had one instruction. Answers, features and likelihood
contrasts are kept in the store (IFRL_ROOT): 35 CPU minutes a seed for 110 ladders.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from reward_model_ablation import make_dataset
from rules_hidden_probe import (
    SEEDS,
    Data,
    Training,
    Values,
    asked,
    contrasts_of,
    crossed,
    data_of,
    line,
    loaded,
    pairs_of,
    relabelled,
)
from scipy.special import expit, logit
from scipy.stats import rankdata

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.inference.open import open_engine
from ifrl_core.instructions.ladder import rungs
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Constraint, Instruction, Message, Row, constraint_of, conversation_of
from ifrl_core.settings import store_root
from ifrl_core.statistics.intervals import Interval, jackknife, paired_difference
from ifrl_core.statistics.noisy_labels import Clusters, excess

WAYS = ("without", "stressed", "drawn", "opposite")
SAMPLES = 3  # of the full prompt, beside the last rung's


class Opposite(NamedTuple):
    """What asks for the opposite of a constraint, and the arguments with which its rule tells (None: no rule does)."""

    text: str
    arguments: Mapping[str, object] | None
    negated: bool = True  # satisfied where the rule with these arguments is not


OPPOSITES = {
    "detectable_content:number_placeholders": Opposite(
        "Do not leave any placeholders in square brackets.", {"num_placeholders": 1}
    ),
    "detectable_content:postscript": Opposite("Do not add a postscript.", {}),
    "detectable_format:json_format": Opposite("Answer in plain text, not in JSON.", {}),
    "detectable_format:number_bullet_lists": Opposite("Answer in running text, without bullet points.", None),
    "detectable_format:title": Opposite("Do not give your answer a title.", {}),
    "language:response_language": Opposite("Answer in English.", {"language": "en"}, negated=False),
    "language:script_words": Opposite("Write every word in Latin letters.", {"count": 1}),
    "length:sentence_words": Opposite("Write sentences of more than {max_words} words.", None),
    "numbers:include": Opposite("Do not mention the number {number}.", {}),
    "words:no_contractions": Opposite('Use contractions such as "don\'t" or "it\'s".', {}),
}
WEIGHTS = (1e-2, 3e-2, 1e-1)  # on the squared norm, where 3e-3 is what all other lines have
STARTED, ROUNDS = (0.15, 0.5), 3  # theta of negatives and positives before anything is known
Gains = dict[str, Values]  # of a line, as `learnt` has them
Theta = dict[str, tuple[float, float]]  # of a type
STRESS = "Most important of all: "
HEAD = ("labels", "right: positives, negatives", "pairs", "within types", "of one rung", "pooled", "held out", "gain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--every", type=int, default=1, help="Every so manieth ladder alone")
    parser.add_argument("--make", choices=WAYS, help="Make the answers of one way, and screen nothing")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store, found = ArtifactStore(store_root()), {}
    for seed in arguments.seeds:
        config = load_recipe(arguments.recipe, ["labels.contradicted=keep", *arguments.set, f"seed={seed}"])
        made = make_dataset(config, store)
        if arguments.make:
            rows_of(arguments.make, config, made, store, arguments.every)
        else:
            found[seed] = screened(seed, with_others(config, made, store, arguments.every))
    if len(found) > 1:
        print("\n".join(["", *lines_of_all(found)]))


def screened(seed: int, data: Data) -> Gains:
    """Prints the tables of one seed; what each line gains."""
    hard = (data.how == "own") & (data.verdict >= 0)
    print(f"\nSeed {seed}: {len(set(data.instruction))} ladders, {hard.sum()} hard pairs\n\n| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    base, gains = learnt(data, Training(data.how == "own"), hard), {}
    believed, theta = belief(data)
    for name, training in options(data, believed, theta).items():
        gains[name] = learnt(data, training, hard) - base
        print(f"| {name} | {line(data, training, hard)} | {ends_of(of_ladders([gains[name]]))} |", flush=True)
    print("\n".join(["", *theta_lines(data, theta), "", *opposite_lines(data)]))
    return gains


def lines_of_all(found: Mapping[int, Gains]) -> Iterator[str]:
    seeds = " | ".join(f"seed {seed}" for seed in found)
    yield f"| labels | {seeds} | over seeds | over ladders |\n{'|---' * (len(found) + 3)}|"
    for name in next(iter(found.values())):
        gains = [of_seed[name] for of_seed in found.values()]
        each = [float(gain[-1]) for gain in gains]
        over_seeds = paired_difference(np.zeros(len(each)), each).interval()
        by_seed = " | ".join(f"{gain:+.3f}" for gain in each)
        yield f"| {name} | {by_seed} | {ends_of(over_seeds)} | {ends_of(of_ladders(gains))} |"


def of_ladders(gains: Sequence[Values]) -> Interval:
    """Of the mean over seeds; gains of a seed: (ladders + 1,), without each ladder and as a whole (last)."""
    whole = float(np.mean([gain[-1] for gain in gains]))
    without = [whole + (gain[:-1] - gain[-1]) / len(gains) for gain in gains]
    return jackknife(whole, np.concatenate(without), reach=1.0).interval()


def ends_of(gain: Interval) -> str:
    return f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def options(data: Data, believed: Values, found: Theta) -> dict[str, Training]:
    own, without, stressed, drawn, opposite = (data.how == how for how in ("own", *WAYS))
    top = own & (data.rung == data.rung[own].max())
    below = own & (data.rung == data.rung[own].max() - 1)  # without the last constraint
    left_out, negatives = without | below, data.label == 0
    ways = {
        "all rungs": own,
        "leave one out": top | left_out,
        "leave one out, without the full prompt": left_out,
        "all rungs and leave one out": own | left_out,
        "stressed against leave one out": stressed | (left_out & negatives),
        "stressed against the rungs below": stressed | (own & negatives),
        "all rungs and stressed": own | stressed,
        "all rungs, leave one out and stressed": own | left_out | stressed,
    }
    likely = agreed(data, 0.7)
    ways |= {f"{name}; unlikely 0.7 left out": chosen & likely for name, chosen in ways.items()}
    ways |= {
        "negatives of opposites beside all rungs": own | (opposite & negatives),
        "positives and negatives of opposites beside all rungs": own | opposite,
        "positives, and as negatives of opposites": (own & ~negatives) | (opposite & negatives),
    }
    best = {share: best_and_worst(data, drawn | top, share) for share in (1.0, 0.5)}
    return {
        **{name: Training(chosen) for name, chosen in ways.items()},
        "best and worst of four": best[1.0],
        "best and worst of four, the widest half": best[0.5],
        "all rungs, best and worst of four": Training(own | best[1.0].chosen, label=best[1.0].label),
        "all rungs, best and worst of four, the widest half": Training(own | best[0.5].chosen, label=best[0.5].label),
        "UU learning, theta as started": Training(own, label=uu_targets(data, dict.fromkeys(found, STARTED))),
        "UU learning, theta as found": Training(own, label=uu_targets(data, found)),
        "all rungs, their labels as believed": Training(own, label=believed),
        **{f"all rungs, {weight:g} on the norm": Training(own, weight=weight) for weight in WEIGHTS},
        "all rungs, pairwise loss": Training(own, "pairwise"),
        "all rungs, an intercept of each type left out": Training(own, "type"),
        "all rungs, an intercept of each type and rung left out": Training(own, "type and rung"),
    }


def best_and_worst(data: Data, candidates: Values, share: float) -> Training:
    """Of the answers to a full prompt the one with the highest contrast to c is its positive, that with the lowest its
    negative; of the constraints this share whose two lie furthest apart (in spreads of the type). Other labels stay."""
    spread, found = np.zeros(len(candidates)), []
    for name in set(data.type[candidates].tolist()):
        mine = candidates & (data.type == name)
        spread[mine] = data.likelihood[mine] / (data.likelihood[mine].std() + 1e-6)
    for constraint in sorted(set(data.constraint[candidates].tolist())):
        mine = np.flatnonzero(candidates & (data.constraint == constraint))
        best, worst = (int(mine[at(spread[mine])]) for at in (np.argmax, np.argmin))
        if best != worst:
            found.append((spread[best] - spread[worst], best, worst))
    label, chosen = data.label.copy(), np.zeros(len(candidates), dtype=bool)
    for _, best, worst in sorted(found, reverse=True)[: round(share * len(found))]:
        label[best], label[worst] = 1, 0
        chosen[[best, worst]] = True
    return Training(chosen, label=label)


def belief(data: Data) -> tuple[Values, Theta]:
    """P(true) of each label of the rungs, (n,), and theta, its mean by type and label: from a classifier of other ladders
    that is trained on what was believed before, and the label (independent of the features, given the truth)."""
    own, theta = data.how == "own", dict.fromkeys(sorted(set(data.type[data.how == "own"].tolist())), STARTED)
    believed = np.where(data.label == 1, STARTED[1], STARTED[0])
    for _ in range(ROUNDS):
        scores = crossed(data._replace(label=believed), Training(own), seed=7)
        for name, shares in theta.items():
            mine = own & (data.type == name)
            told = np.where(data.label[mine] == 1, shares[1], shares[0])
            believed[mine] = expit(scores[mine] + logit(told) - logit(told.mean()))
            low, high = (believed[mine & (data.label == label)].mean() for label in (0, 1))
            theta[name] = (float(np.clip(low, 0.01, 0.99)), float(np.clip(high, 0.01, 0.99)))
    return believed, theta


def uu_targets(data: Data, theta: Theta, most: float = 2.0) -> Values:
    """Targets that make of the logistic loss the unbiased risk of learning from two unlabelled sets (Lu et al., arXiv
    1808.10585) at the share of true ones of both together; cut at `most` and 1 - `most`."""
    target = data.label.astype(float)
    for name, (low, high) in theta.items():
        mine = (data.how == "own") & (data.type == name)
        share = float(np.where(data.label[mine] == 1, high, low).mean())
        above, below = max(high - share, 1e-3), max(share - low, 1e-3)
        sides = (-(1 - high) * share / above, (1 - low) * share / below)
        target[mine] = np.clip(np.where(data.label[mine] == 1, sides[1], sides[0]), 1 - most, most)
    return target


def theta_lines(data: Data, theta: Theta) -> Iterator[str]:
    """A table of the shares of true answers by type and label, as found and by rules."""
    yield "| type | of negatives: found | by rules | of positives: found | by rules |\n|---|---|---|---|---|"
    for name, found in theta.items():
        mine = (data.how == "own") & (data.type == name) & (data.verdict >= 0)
        if mine.any():
            sides = (f"{found[at]:.2f} | {data.verdict[mine & (data.label == at)].mean():.2f}" for at in (0, 1))
            yield f"| {name} | {' | '.join(sides)} |"


def opposite_lines(data: Data) -> Iterator[str]:
    """A table of the share of labels of opposites that are right, by type."""
    yield "| type | pairs | positives (c not asked for) | negatives (c asked for) |\n|---|---|---|---|"
    graded = (data.how == "opposite") & (data.verdict >= 0)
    for name in sorted(set(data.type[graded].tolist())):
        mine = graded & (data.type == name)
        right = (f"{(data.verdict[mine & (data.label == side)] == side).mean():.0%}" for side in (1, 0))
        yield f"| {name} | {mine.sum()} | {' | '.join(right)} |"


def agreed(data: Data, share: float) -> Values:
    """Positives whose likelihood contrast lies above this share of the answers to their type, negatives below as much."""
    place, asked_for = np.zeros(len(data.label)), np.isin(data.how, ("own", "without", "stressed"))
    for name in set(data.type[asked_for].tolist()):
        mine = asked_for & (data.type == name)
        place[mine] = (rankdata(data.likelihood[mine]) - 0.5) / mine.sum()
    kept: Values = np.where(data.label == 1, place >= share, place <= 1 - share)
    return kept


def learnt(data: Data, training: Training, hard: Values) -> Values:
    """(ladders + 1,): AUC within types less 1/2, without each ladder and as a whole (last)."""
    labelled = relabelled(data, training)
    score = np.mean([crossed(labelled, training, seed) for seed in SEEDS], axis=0)[hard]
    clusters = Clusters.of(data.instruction[hard].tolist())
    return excess(score, data.verdict[hard], clusters, data.type[hard].tolist())


def with_others(config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, every: int) -> Data:
    """Answers of the rungs with the constraints of their ladders, and those to the other prompts."""
    loaded(made, store, every)
    kept = pq.read_table(f"{store_root()}/probe-{made['rollouts'].fingerprint[:16]}-{every}.parquet").to_pylist()
    own = [row for row in kept if row["how"] == "own"]
    others = [row for way in WAYS for row in rows_of(way, config, made, store, every)]
    contrasts = contrasts_of(made, store, own, every, among=False)
    likelihood = np.append(contrasts, [row["likelihood"] for row in others])
    data = data_of([*own, *others], likelihood, np.zeros(len(likelihood)), model_folder(made["model"], store))
    asked_for = np.array([row["asked for"] for row in others], dtype=int)
    return data._replace(label=np.append(data.label[: len(own)], asked_for))


def rows_of(
    way: str, config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, every: int
) -> list[Row]:
    kept = Path(f"{store_root()}/{way}-{made['rollouts'].fingerprint[:16]}-{every}.parquet")
    if not kept.exists():
        chosen = list(ladders(made["prompts"], made["rollouts"], store))[::every]
        folder, opposite = model_folder(made["model"], store), way == "opposite"
        rows = list(opposites(chosen) if opposite else answered(way, chosen, config, made, store))
        asking_for = [asking(row.pop("ladder"), row["level"], row) for row in rows]
        contrasts = [None] * len(rows) if opposite else Likelihood(folder).contrasts(asking_for)
        for row, states, odds, contrast in zip(rows, *asked(folder, rows), contrasts, strict=True):
            row |= {"states": states, "odds": odds, "likelihood": contrast or 0.0}
        pq.write_table(pa.Table.from_pylist(rows), kept)
    return pq.read_table(kept).to_pylist()


def opposites(chosen: Sequence[list[Rung]]) -> Iterator[Row]:
    """Rows of the answers of the rungs with the opposites of the constraints of their ladder."""
    of = {name_of(ladder): ladder for ladder in chosen}
    for row in pairs_of(chosen):
        ladder = of[row["instruction"]]
        constraint = constraints_of(ladder)[row["level"] - 1]
        opposite = opposite_of(constraint) if row["how"] == "own" else None
        if opposite:
            verdict = None
            if opposite.arguments is not None:
                ruled = replace(constraint, args={**constraint.args, **opposite.arguments})
                [verdict] = verdicts_in(conversation_of(ladder[0][0]), [ruled], row["response"], "")
            yield {
                **row,
                "text": opposite.text,
                "how": "opposite",
                "verdict": -1 if verdict is None else int(verdict != opposite.negated),
                "asked for": int(row["rung"] < row["level"]),
                "ladder": ladder,
            }


def opposite_of(constraint: Constraint) -> Opposite | None:
    if constraint.type == "length_constraints:number_words":
        bound = "at least" if constraint.args["relation"] == "less than" else "fewer than"
        return Opposite(f"Answer with {bound} {constraint.args['num_words']} words.", {})
    opposite = OPPOSITES.get(constraint.type)
    return opposite and opposite._replace(text=opposite.text.format(**constraint.args))


def answered(
    way: str, chosen: Sequence[list[Rung]], config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore
) -> Iterator[Row]:
    """Rows as `pairs_of` makes them, with their ladder, and whether the prompt asked for the constraint."""
    asks = [(ladder, at) for ladder in chosen for at in (range(SAMPLES) if way == "drawn" else levels(ladder))]
    if way == "without":  # the last one is a rung
        asks = [(ladder, level) for ladder, level in asks if level < len(ladder) - 1]
    requests = [
        Request(prompt_of(way, ladder, level), request_seed(config.seed, f"{name_of(ladder)}-{way}-{level}", 0))
        for ladder, level in asks
    ]
    settings = Sampling(config.rollouts.max_tokens, config.rollouts.temperature, config.rollouts.top_p)
    engine = open_engine(config.rollouts, made["model"], store)
    for (ladder, asked_level), completion in zip(asks, engine.generate(requests, settings), strict=True):
        for level in [asked_level] if way == "stressed" else levels(ladder):
            constraint = constraints_of(ladder)[level - 1]
            [verdict] = verdicts_in(conversation_of(ladder[0][0]), [constraint], completion.text, "")
            if completion.text.strip():
                yield {
                    "rollout_id": f"{name_of(ladder)}-{way}-{asked_level}",
                    "instruction": name_of(ladder),
                    "response": completion.text,
                    "text": constraint.text,
                    "type": constraint.type,
                    "how": way,
                    "level": level,
                    "rung": len(ladder) - 1,
                    "verdict": -1 if verdict is None else int(verdict),
                    "asked for": int(way != "without" or level != asked_level),
                    "ladder": ladder,
                }


def prompt_of(way: str, ladder: list[Rung], level: int) -> list[Message]:
    if way == "drawn":
        return top_of(ladder, constraints_of(ladder))
    if way == "without":
        others = [constraint for at, constraint in enumerate(constraints_of(ladder), 1) if at != level]
        return top_of(ladder, others)
    *history, last = top_of(ladder, constraints_of(ladder))
    return [*history, {**last, "content": f"{last['content']}\n\n{STRESS}{constraints_of(ladder)[level - 1].text}"}]


def asking(ladder: list[Rung], level: int, row: Row) -> Asked:
    """The constraint alone against the seed."""
    return Asked(top_of(ladder, []), top_of(ladder, [constraints_of(ladder)[level - 1]]), row["response"])


def top_of(ladder: list[Rung], constraints: Sequence[Constraint]) -> list[Message]:
    seed = conversation_of(ladder[0][0])
    return rungs(Instruction("", seed.request, tuple(constraints), "", seed.messages))[-1]


def constraints_of(ladder: list[Rung]) -> list[Constraint]:
    return [constraint_of(row) for row in ladder[-1][0]["constraints"]]


def levels(ladder: list[Rung]) -> range:
    return range(1, len(ladder))


def name_of(ladder: list[Rung]) -> str:
    return str(ladder[0][0]["instruction_id"])


if __name__ == "__main__":
    main()
