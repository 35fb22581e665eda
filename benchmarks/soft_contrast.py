"""Does the likelihood contrast rank answers to soft constraints as instruments do?

    python benchmarks/soft_contrast.py RECIPE [--reward-model] [--set OVERRIDE ...]

Every answer of the recipe's train ladders is held against every constraint of its ladder, whether or not its rung asked for
it: by the instrument of the type, and by what ranks answers without it (WAYS). Two figures, over all types and of each:

within types       AUC, true being what the instrument puts above the type's median (as in the soft audit)
of one constraint  of two answers to one instruction that the instrument tells apart, how often the higher is ranked higher (a
                   tie counts half): what a reward in a group of rollouts has to do

Intervals: 95%, by a bootstrap of instructions. `--reward-model`: trained on the recipe's labels; then all figures are of
validation instructions alone. What is likely is kept in the store (IFRL_ROOT).
"""

import argparse
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from reward_model_ablation import make_dataset, make_reward_model

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config.recipes import load_recipe
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instruments.instrument import Asked as Measured
from ifrl_core.instruments.instrument import words
from ifrl_core.instruments.table import measured, missing
from ifrl_core.labels.contrasts import ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Instruction, Row, constraint_of
from ifrl_core.reward_model.open import open_scorer
from ifrl_core.rewards.likelihood import OTHERS, of_other_values
from ifrl_core.rollouts.shards import answer_in
from ifrl_core.settings import store_root
from ifrl_core.statistics.by_hash import share_by_hash
from ifrl_core.statistics.intervals import jackknife, ratio_of_sums
from ifrl_core.statistics.noisy_labels import Clusters, excess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--reward-model", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store, config = ArtifactStore(store_root()), load_recipe(arguments.recipe, arguments.set)
    made = make_dataset(config, store)
    rows = measured_rows(made, store)
    ways = WAYS
    if arguments.reward_model:
        rows = [
            row
            for row in rows
            if share_by_hash("labels", config.seed, row["instruction_id"]) < config.labels.validation_share
        ]
        pairs = [(row["response"], row["text"]) for row in rows]
        trained = open_scorer(model_folder(make_reward_model(config, made, store), store), "transformers")
        for row, probability in zip(rows, trained.probabilities(pairs), strict=True):
            row["reward model"] = probability
        ways = {**WAYS, "reward model": lambda row: row["reward model"]}
    print("instruments that are not here:", ", ".join(missing()) or "none")
    print_table(rows, ways)


def measured_rows(made: dict[str, ArtifactRef], store: ArtifactStore) -> list[Row]:
    """Every answer with every constraint of its ladder that an instrument measures."""
    identity = fingerprint(
        "soft-contrast", 1, {"others": OTHERS}, {name: made[name].fingerprint for name in ("model", "rollouts")}
    )
    ref = store.find("soft-contrast", identity)
    if ref is None:
        model, rows = Likelihood(model_folder(made["model"], store)), []
        for ladder in held_against(made, store):
            contrasts = model.of_tokens([asked for row in ladder for asked in row.pop("asked")])
            for place, row in enumerate(ladder):
                own, *others = contrasts[place * (1 + OTHERS) : (place + 1) * (1 + OTHERS)]
                rows.append({**row, "own": own.tolist(), "others": [other.tolist() for other in others]})
        writer = store.writer("soft-contrast", 1, identity, {}, {})
        writer.write_table("rows.parquet", pa.Table.from_pylist(rows))
        ref = writer.commit({})
    return store.read_table(ref, "rows.parquet").to_pylist()


def held_against(made: dict[str, ArtifactRef], store: ArtifactStore) -> Iterator[list[Row]]:
    """Ladder by ladder; `asked`: for the constraint, and for OTHERS values in place of its own."""
    for ladder in ladders(made["prompts"], made["rollouts"], store):
        seed, rows = ladder[0][0]["messages"][-1]["content"], []
        for level, constraint in enumerate(map(constraint_of, ladder[-1][0]["constraints"]), 1):
            asking = [rungs(Instruction("", seed, (one,), "")) for one in (constraint, *of_other_values(constraint))]
            answers = [(rung["level"], answer_in(rollout)) for rung, rollouts in ladder for rollout in rollouts]
            scores = measured([Measured(constraint.type, constraint.args, answer) for _, answer in answers])
            rows += [
                {
                    "instruction_id": ladder[0][0]["instruction_id"],
                    "type": constraint.type,
                    "text": constraint.text,
                    "level": level,
                    "rung": rung,
                    "response": answer,
                    "instrument": score,
                    "asked": [Asked(without, including, answer) for without, including in asking],
                }
                for (rung, answer), score in zip(answers, scores, strict=True)
                if score is not None and answer.strip()
            ]
        if rows:
            yield rows


def echo(row: Row) -> float:
    """Share of the constraint's words that stand in the answer."""
    asked, said = set(words(row["text"])), set(words(row["response"]))
    return len(asked & said) / len(asked)


WAYS: dict[str, Callable[[Row], float]] = {
    "contrast, mean": lambda row: float(np.mean(row["own"])),
    "contrast, sum": lambda row: float(np.sum(row["own"])),
    "contrast, a token at most 1": lambda row: float(np.clip(row["own"], -1, 1).mean()),
    "against other values": lambda row: float(
        np.mean(row["own"]) - np.mean([np.mean(other) for other in row["others"]])
    ),
    "length (longer)": lambda row: len(row["own"]),
    "constraint's words": echo,
}


def print_table(rows: Sequence[Row], ways: dict[str, Callable[[Row], float]]) -> None:
    types = sorted({row["type"] for row in rows})
    for name in types:
        part = [row for row in rows if row["type"] == name]
        middle = sorted(row["instrument"] for row in part)[(len(part) - 1) // 2]
        for row in part:
            row["high"] = int(row["instrument"] > middle)
    print(f"{len(rows)} pairs of {len({row['instruction_id'] for row in rows})} instructions")
    print("| ranked by | within types | of one constraint | of one rung |\n|---|---|---|---|")
    for name, way in ways.items():
        print(f"| {name} | {' | '.join(figures(rows, way))} |")
    chosen = [
        name for name in ways if name in ("contrast, mean", "against other values", "reward model", "length (longer)")
    ]
    print(
        f"\n| type | pairs | asked for - not | {' | '.join(f'{name}: within type | of one constraint' for name in chosen)} |"
    )
    print(f"|{'---|' * (3 + 2 * len(chosen))}")
    for type_ in types:
        part = [row for row in rows if row["type"] == type_]
        cells = [cell for name in chosen for cell in figures(part, ways[name])[:2]]
        asked = concordance(
            part, lambda row: row["rung"] >= row["level"], lambda row: (row["instruction_id"], row["level"])
        )
        print(f"| {type_} | {len(part)} | {asked} | {' | '.join(cells)} |")


def figures(rows: Sequence[Row], way: Callable[[Row], float]) -> list[str]:
    clusters = Clusters.of([row["instruction_id"] for row in rows])
    above = excess([way(row) for row in rows], [row["high"] for row in rows], clusters, [row["type"] for row in rows])
    auc = "-"
    if len(above) > 3 and np.isfinite(above).all():
        found = jackknife(float(above[-1]), above[:-1], reach=0.5).interval()
        auc = f"{0.5 + found.mean:.3f} [{0.5 + found.low:.2f}, {0.5 + found.high:.2f}]"
    of_one = concordance(rows, way, lambda row: (row["instruction_id"], row["level"]))
    return [auc, of_one, concordance(rows, way, lambda row: (row["instruction_id"], row["level"], row["rung"]))]


def concordance(rows: Sequence[Row], way: Callable[[Row], float], group: Callable[[Row], Hashable]) -> str:
    """Of two rows of a group that the instrument tells apart, how often `way` puts them in the same order."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    wins: dict[str, list[float]] = {}
    for part in groups.values():
        truth, rank = np.array([row["instrument"] for row in part]), np.array([way(row) for row in part], dtype=float)
        order = np.sign(truth[:, None] - truth[None])
        agree = 0.5 + 0.5 * order * np.sign(rank[:, None] - rank[None])
        apart = np.triu(order != 0, 1)
        if apart.any():
            wins.setdefault(part[0]["instruction_id"], []).append(agree[apart].sum() + 1j * apart.sum())
    if len(wins) < 3:
        return "-"
    sums, counts = (np.array([part(sum(of)) for of in wins.values()]) for part in (np.real, np.imag))
    found = ratio_of_sums(sums - 0.5 * counts, counts, reach=0.5).interval()
    return f"{0.5 + found.mean:.3f} [{0.5 + found.low:.2f}, {0.5 + found.high:.2f}]"


if __name__ == "__main__":
    main()
