"""Which labels are worth a training: rules hidden (rules_hidden.py), with a logistic regression in a reward model's place.

    python benchmarks/rules_hidden_probe.py reward-model-cpu --every 3 [--set OVERRIDE ...]

It reads what the frozen backbone makes of (answer, constraint): the states of four layers where it is asked yes or no, as 256
principal components. Ways to label cost seconds each then, so that many can be compared before one is trained for; what is
not in these features (the two texts held against each other word by word) it cannot learn, whatever the labels.

Beside every answer and constraint of its ladder there are two constraints of families that the ladder does not ask for (far)
and one of a type of the ladder with another slot (mate). Seen: five folds of instructions; held out: three groups of families
in turn, in two folds of instructions; both over three seeds that draw the folds. Features are kept in the store (IFRL_ROOT).
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from likelihood_contrast import likelihood_contrasts
from numpy.typing import NDArray
from reward_model_ablation import make_dataset
from scipy.special import expit
from scipy.stats import rankdata
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from transformers import AutoTokenizer

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.models.load import load_causal_model
from ifrl_core.records import Row, constraint_of, conversation_of
from ifrl_core.reward_model.model.packing import collate, pack, token_batches
from ifrl_core.reward_model.quality.zero_shot import NO, YES, first_tokens, questions
from ifrl_core.rollouts.shards import answer_in
from ifrl_core.settings import store_root
from ifrl_core.statistics.noisy_labels import Clusters, excess

LAYERS, COMPONENTS, MAX_TOKENS = (10, 16, 22, 30), 256, 256
SEEDS = (0, 1, 2)
Values = NDArray[Any]


class Data(NamedTuple):
    """Of (answer, constraint), n of them; `features` (n, COMPONENTS)."""

    features: Values
    zero_shot: Values  # log odds of yes
    likelihood: Values  # contrast, the constraint asked alone; 0 of those that are not of the answer's ladder
    among: Values  # the same, the constraint asked among the others of its ladder
    verdict: Values  # 1, 0, or -1 where no rule applies
    label: Values
    how: Values  # own, far or mate
    type: Values
    instruction: Values
    rung: Values
    constraint: Values  # instruction and level: whose answers a pairwise loss compares
    words: Values
    tokens: Values


class Training(NamedTuple):
    """Which pairs are trained on, with which loss and weight on the squared norm, and with other labels than those of the
    rungs where it has any."""

    chosen: Values
    loss: str = "bce"
    label: Values | None = None  # (n,) in [0, 1]
    weight: float = 3e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--every", type=int, default=1, help="Every so manieth ladder alone")
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    made = make_dataset(load_recipe(arguments.recipe, ["labels.contradicted=keep", *arguments.set]), store)
    data = loaded(made, store, arguments.every)
    own = data.how == "own"
    hard = own & (data.verdict >= 0)
    head = ["labels", "right: positives, negatives", "pairs", "within types", "of one rung", "pooled", "held out"]
    print(
        f"{len(set(data.instruction))} ladders, {hard.sum()} hard pairs\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}"
    )
    untrained = scorers(data)
    for name, score in untrained.items():
        figures = (within(data, score, hard), within(data, score, hard, data.rung), pooled(data, score, hard))
        print(f"| {name} | | | {' | '.join(f'{value:.3f}' for value in figures)} | |")
    for name, training in options(data).items():
        print(f"| {name} | {line(data, training, hard)} |", flush=True)
    print("\n".join(["", *by_type_lines(data, untrained, hard)]))


def scorers(data: Data) -> dict[str, Values]:
    """What needs no training."""
    likelihood = by_type(data, data.likelihood)
    total, among, both = data.likelihood * data.tokens, data.among * data.tokens, both_contrasts(data)
    ways, stacked = options(data), {}
    for name in (
        "all rungs",
        "the same again by a classifier of what was left",
        "best and worst of the widest half",
        "unlikely 0.7 left out, by both contrasts",
    ):
        learnt = np.mean([crossed(relabelled(data, ways[name]), ways[name], seed) for seed in SEEDS], axis=0)
        stacked[f"likelihood contrast twice and `{name}` once, by type"] = 2 * likelihood + by_type(data, learnt)
        stacked[f"contrast alone and among twice and `{name}` once, by type"] = 2 * both + by_type(data, learnt)
    return {
        "length (shorter)": -data.words,
        "zero-shot": data.zero_shot,
        "likelihood contrast": data.likelihood,
        "likelihood contrast, standardised by type": likelihood,
        "likelihood contrast, its place among its type": places(data, data.likelihood),
        "likelihood contrast in sum over the tokens": total,
        "the same, standardised by type": by_type(data, total),
        "contrast among the other constraints, in sum, standardised by type": by_type(data, among),
        "contrast alone and among, in sum, standardised by type": both,
        "likelihood contrast and zero-shot, standardised by type": likelihood + by_type(data, data.zero_shot),
        **stacked,
    }


def by_type_lines(data: Data, untrained: dict[str, Values], hard: Values) -> Iterator[str]:
    """A table of the AUC of the first scorers by type."""
    names = list(untrained)[:3] + [name for name in untrained if name.startswith("contrast ")][:2]
    yield f"| type | pairs | satisfied | {' | '.join(names)} |"
    yield "|---" * (len(names) + 3) + "|"
    for name in sorted(set(data.type[hard].tolist())):
        mine = hard & (data.type == name)
        figures = " | ".join(f"{pooled(data, untrained[scorer], mine):.2f}" for scorer in names)
        yield f"| {name} | {mine.sum()} | {data.verdict[mine].mean():.0%} | {figures} |"


def options(data: Data) -> dict[str, Training]:
    own, far, mate = (data.how == how for how in ("own", "far", "mate"))
    level = np.array([int(name.rpartition("|")[2]) for name in data.constraint])
    paper = own & ((data.rung == level) | (data.rung == level - 1))

    by_likelihood = places(data, data.likelihood)

    def likely(share: float) -> Values:
        return agreed(data, by_likelihood, share)

    first = agreed(data, places(data, crossed(data, Training(own), seed=7)), 0.5)
    second = agreed(data, places(data, crossed(data, Training(first), seed=7)), 0.5)
    positives = own & (data.label == 1)
    soft, both = expit(by_type(data, data.likelihood)), both_contrasts(data)
    best = {share: best_and_worst(data, share) for share in (1.0, 0.5, 0.25)}
    return {
        "the paper's": Training(paper),
        "all rungs": Training(own),
        "all rungs, far": Training(own | far),
        "all rungs, mate": Training(own | mate),
        "all rungs, far and mate": Training(own | far | mate),
        "positives against far": Training(positives | far),
        "all rungs, pairwise loss": Training(own, "pairwise"),
        "all rungs, an intercept of each type left out": Training(own, "type"),
        "all rungs, an intercept of each type and rung left out": Training(own, "type and rung"),
        **{f"unlikely {share} left out": Training(likely(share)) for share in (0.3, 0.5, 0.7, 0.8)},
        "those left out that a classifier of other instructions contradicts": Training(first),
        "the same again by a classifier of what was left": Training(second),
        "unlikely positives 0.7 left out": Training(likely(0.7) | (own & (data.label == 0))),
        "unlikely 0.7 left out, far and mate": Training(likely(0.7) | far | mate),
        "unlikely 0.7 left out, pairwise loss": Training(likely(0.7), "pairwise"),
        "best and worst of a ladder": best[1.0],
        "best and worst of the widest half": best[0.5],
        "best and worst of the widest quarter": best[0.25],
        **{f"highest and lowest {share:.0%} of a type": ends(data, share) for share in (0.3, 0.5)},
        **{f"highest and lowest {share:.0%} of a type and rung": ends(data, share, True) for share in (0.1, 0.25, 0.5)},
        "unlikely 0.7 left out, by both contrasts": Training(agreed(data, places(data, both), 0.7)),
        "best and worst of the widest half, by both contrasts": best_and_worst(data._replace(likelihood=both), 0.5),
        "highest and lowest 30% of a type, by both contrasts": ends(data._replace(likelihood=both), 0.3),
        "the contrast as soft label": Training(own, label=soft),
        "mean of soft label and rung": Training(own, label=(soft + data.label) / 2),
    }


def both_contrasts(data: Data) -> Values:
    """Alone and among the other constraints, in sum over the tokens, standardised by type."""
    alone, among = (by_type(data, contrast * data.tokens) for contrast in (data.likelihood, data.among))
    return by_type(data, alone + among)


def best_and_worst(data: Data, share: float) -> Training:
    """Of all answers of a ladder the one with the highest contrast to a constraint is its positive, that with the lowest its
    negative, whatever their rungs; of the constraints this share whose two lie furthest apart (in spreads of the type)."""
    spread, found = by_type(data, data.likelihood), []
    for constraint in set(data.constraint[data.how == "own"].tolist()):
        mine = np.flatnonzero((data.how == "own") & (data.constraint == constraint))
        best, worst = (int(mine[at(data.likelihood[mine])]) for at in (np.argmax, np.argmin))
        found.append((spread[best] - spread[worst], best, worst))
    kept = sorted(found, reverse=True)[: round(share * len(found))]
    label = np.zeros(len(data.label), dtype=int)
    chosen = np.zeros(len(label), dtype=bool)
    label[[best for _, best, _ in kept]] = 1
    chosen[[place for _, *both in kept for place in both]] = True
    return Training(chosen, label=label)


def ends(data: Data, share: float, of_one_rung: bool = False) -> Training:
    """Of the answers to a type (of one rung) this share with the highest contrast is positive, as many lowest negative."""
    strata = np.char.add(data.type, data.rung.astype(str) if of_one_rung else "")
    label, chosen = np.zeros(len(strata), dtype=int), np.zeros(len(strata), dtype=bool)
    for stratum in set(strata[data.how == "own"].tolist()):
        mine = np.flatnonzero((data.how == "own") & (strata == stratum))
        in_order = mine[np.argsort(data.likelihood[mine], kind="stable")]
        count = round(share * len(mine))
        chosen[in_order[:count]] = chosen[in_order[len(mine) - count :]] = True
        label[in_order[len(mine) - count :]] = 1
    return Training(chosen, label=label)


def relabelled(data: Data, training: Training) -> Data:
    return data if training.label is None else data._replace(label=training.label)


def line(data: Data, training: Training, hard: Values) -> str:
    data = relabelled(data, training)
    labelled = training.chosen & (data.verdict >= 0)
    right = [(data.verdict == side)[labelled & ((data.label > 0.5) == side)].mean() for side in (1, 0)]
    scores = [crossed(data, training, seed) for seed in SEEDS]
    held = [held_out(data, training, seed) for seed in SEEDS]
    columns = [
        [within(data, score, hard) for score in scores],
        [within(data, score, hard, data.rung) for score in scores],
        [pooled(data, score, hard) for score in scores],
        [within(data, score, hard) for score in held],
    ]
    shown_as = [f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in columns]
    return " | ".join([f"{right[0]:.0%}, {right[1]:.0%}", f"{training.chosen.sum():,}", *shown_as])


def crossed(data: Data, training: Training, seed: int, folds: int = 5) -> Values:
    scores = np.zeros(len(data.label))
    for fold in folds_of(data.instruction, seed, folds):
        scores[fold] = fitted(data, training, training.chosen & ~fold)[fold]
    return scores


def held_out(data: Data, training: Training, seed: int) -> Values:
    scores = np.zeros(len(data.label))
    families = np.array([name.partition(":")[0] for name in data.type])
    hard = np.where(data.verdict >= 0, families, "")
    for left_out in folds_of(hard, seed, 3):
        for fold in folds_of(data.instruction, seed, 2):
            mine = fold & left_out & (hard != "")
            away = np.isin(families, list(set(families[mine])))
            scores[mine] = fitted(data, training, training.chosen & ~fold & ~away)[mine]
    return scores


def folds_of(names: Values, seed: int, count: int) -> Iterator[Values]:
    order = sorted({name for name in names.tolist() if name})
    random.Random(seed).shuffle(order)
    for fold in range(count):
        yield np.isin(names, order[fold::count])


def fitted(data: Data, training: Training, chosen: Values) -> Values:
    """Logits (n,) of the regression on the chosen pairs."""
    loss = training.loss
    x, y = torch.tensor(data.features), torch.tensor(data.label, dtype=torch.float32)
    at = torch.tensor(np.flatnonzero(chosen))
    beta, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    strata = {"type": data.type, "type and rung": np.char.add(data.type, data.rung.astype(str))}.get(loss)
    group = torch.tensor(np.unique(strata if strata is not None else data.type, return_inverse=True)[1])
    free = torch.zeros(int(group.max()) + 1, requires_grad=strata is not None)
    pairs = torch.tensor(list(contrasts(data, chosen)) if loss == "pairwise" else [(0, 0)])
    optimizer = torch.optim.LBFGS(
        [part for part in (beta, bias, free) if part.requires_grad], max_iter=60, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = x @ beta + bias
        if loss == "pairwise":
            value = softplus(logits[pairs[:, 1]] - logits[pairs[:, 0]]).mean()
        else:
            value = binary_cross_entropy_with_logits((logits + free[group])[at], y[at])
        value = value + training.weight * beta.square().sum() / 2 + 1e-3 * free.square().mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    scores: Values = (x @ beta + bias).detach().numpy()
    return scores


def contrasts(data: Data, chosen: Values) -> Iterator[tuple[int, int]]:
    """Places of (positive, negative) of one constraint."""
    sides: dict[str, tuple[list[int], list[int]]] = {}
    for place in np.flatnonzero(chosen & (data.how == "own")).tolist():
        sides.setdefault(data.constraint[place], ([], []))[data.label[place]].append(place)
    return ((high, low) for lower, upper in sides.values() for high in upper for low in lower)


def within(data: Data, score: Values, hard: Values, rung: Values | None = None) -> float:
    strata: list[Any] = (
        data.type[hard].tolist() if rung is None else list(zip(data.type[hard], rung[hard], strict=True))
    )
    return 0.5 + float(
        excess(score[hard], data.verdict[hard], Clusters.of(data.instruction[hard].tolist()), strata)[-1]
    )


def pooled(data: Data, score: Values, hard: Values) -> float:
    return 0.5 + float(excess(score[hard], data.verdict[hard], Clusters.of(data.instruction[hard].tolist()))[-1])


def agreed(data: Data, place: Values, share: float) -> Values:
    """Positives that lie above this share of the answers to their type, and negatives that lie below as much of it."""
    kept: Values = (data.how == "own") & np.where(data.label == 1, place >= share, place <= 1 - share)
    return kept


def places(data: Data, score: Values) -> Values:
    """Which share of the answers to its type lies below each."""
    found = np.zeros(len(score))
    for name in set(data.type.tolist()):
        mine = (data.type == name) & (data.how == "own")
        found[mine] = (rankdata(score[mine]) - 0.5) / max(1, mine.sum())
    return found


def by_type(data: Data, values: Values) -> Values:
    """Standardised among the answers to a type."""
    found = np.zeros(len(values))
    for name in set(data.type.tolist()):
        mine = (data.type == name) & (data.how == "own")
        if mine.any():
            found[mine] = (values[mine] - values[mine].mean()) / (values[mine].std() + 1e-6)
    return found


def loaded(made: dict[str, ArtifactRef], store: ArtifactStore, every: int) -> Data:
    ref = made["rollouts"]
    kept = Path(f"{store_root()}/probe-{ref.fingerprint[:16]}-{every}.parquet")
    if not kept.exists():
        rows = list(pairs_of(list(ladders(made["prompts"], ref, store))[::every]))
        states_of, odds = asked(model_folder(made["model"], store), rows)
        for row, states, log_odds in zip(rows, states_of, odds, strict=True):
            row |= {"states": states, "odds": log_odds}
        pq.write_table(pa.Table.from_pylist(rows), kept)
    rows = pq.read_table(kept).to_pylist()
    alone, among = (contrasts_of(made, store, rows, every, among) for among in (False, True))
    return data_of(rows, alone, among, model_folder(made["model"], store))


def data_of(rows: Sequence[Row], alone: Values, among: Values, folder: Path) -> Data:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    states = np.array([row["states"] for row in rows], dtype=np.float32)
    states = (states - states.mean(0)) / (states.std(0) + 1e-3)
    torch.manual_seed(0)
    left, sizes, _ = torch.svd_lowrank(torch.tensor(states), q=COMPONENTS)
    components = (left * sizes).numpy()
    column: Callable[[str], Values] = lambda name: np.array([row[name] for row in rows])  # noqa: E731
    return Data(
        features=(components / components.std()).astype(np.float32),
        zero_shot=column("odds"),
        likelihood=alone,
        among=among,
        verdict=column("verdict"),
        label=np.where(column("how") == "own", (column("rung") >= column("level")).astype(int), 0),
        how=column("how"),
        type=column("type"),
        instruction=column("instruction"),
        rung=column("rung"),
        constraint=np.array([f"{row['instruction']}|{row['level']}" for row in rows]),
        words=np.array([len(row["response"].split()) for row in rows], dtype=float),
        tokens=np.array([len(ids) for ids in tokenizer([row["response"] for row in rows])["input_ids"]], dtype=float),
    )


def contrasts_of(
    made: dict[str, ArtifactRef], store: ArtifactStore, rows: Sequence[Row], every: int, among: bool
) -> Values:
    kept = Path(f"{store_root()}/contrasts-{made['rollouts'].fingerprint[:16]}-{every}-{among}.parquet")
    if not kept.exists():
        found = likelihood_contrasts(made, store, {row["instruction"] for row in rows}, among=among)
        pq.write_table(pa.table({"label_id": list(found), "contrast": list(found.values())}), kept)
    contrasts = {row["label_id"]: row["contrast"] for row in pq.read_table(kept).to_pylist()}
    return np.array([contrasts.get(f"{row['rollout_id']}-c{row['level']}") or 0.0 for row in rows])


def pairs_of(chosen: Sequence[list[Rung]]) -> Iterator[Row]:
    pool = [constraint for ladder in chosen for constraint in ladder[-1][0]["constraints"]]
    for ladder in chosen:
        top = ladder[-1][0]
        own, source = top["constraints"], random.Random(top["instruction_id"])
        families = {constraint["type"].partition(":")[0] for constraint in own}
        far = [item for item in pool if item["type"].partition(":")[0] not in families]
        types = {item["type"]: item["text"] for item in own}
        mates = [item for item in pool if types.get(item["type"], item["text"]) != item["text"]]
        for rung, (_, rollouts) in enumerate(ladder):
            for rollout in (rollout for rollout in rollouts if answer_in(rollout).strip()):
                asked_for = [(item, "own", level) for level, item in enumerate(own, 1)]
                asked_for += [(item, "far", 0) for item in source.sample(far, min(2, len(far)))]
                asked_for += [(source.choice(mates), "mate", 0)] if mates else []
                for constraint, how, level in asked_for:
                    seed = conversation_of(ladder[0][0])
                    [verdict] = verdicts_in(seed, [constraint_of(constraint)], answer_in(rollout), "")
                    yield {
                        "rollout_id": rollout["rollout_id"],
                        "instruction": top["instruction_id"],
                        "response": answer_in(rollout),
                        "text": constraint["text"],
                        "type": constraint["type"],
                        "how": how,
                        "level": level,
                        "rung": rung,
                        "verdict": -1 if verdict is None else int(verdict),
                    }


@torch.inference_mode()
def asked(folder: Path, rows: Sequence[Row]) -> tuple[Values, Values]:
    """States (n, layers x hidden) where the backbone is asked, and its log odds of yes (n,)."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_causal_model(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
    answers = [first_tokens(tokenizer, words) for words in (YES, NO)]
    states = np.zeros((len(rows), len(LAYERS) * model.config.hidden_size), dtype=np.float32)
    odds = np.zeros(len(rows))
    encoded = questions(tokenizer, [(row["response"], row["text"]) for row in rows], MAX_TOKENS)
    for packed in token_batches(pack(encoded), 2048):
        batch = collate(packed, model.config.pad_token_id or 0)
        out = model.base_model(
            batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
            output_hidden_states=True,
        )
        at = (batch.rows, batch.ends)
        places = list(batch.places)
        states[places] = torch.cat([out.hidden_states[layer][at] for layer in LAYERS], dim=-1).float().numpy()
        logits = model.get_output_embeddings()(out.last_hidden_state[at]).float()
        yes, no = (logits[:, tokens].logsumexp(dim=-1) for tokens in answers)
        odds[places] = (yes - no).numpy()
    return states, odds


if __name__ == "__main__":
    main()
