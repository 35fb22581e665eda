"""Does a reward model learn more from labels as they are believed than from those of the rungs? Rules hidden, types seen.

    python benchmarks/rules_hidden_believed.py reward-model-cpu --set seeds.train=110 ... [--seeds 0,1,2]

What rules_hidden_prompts.py finds on frozen features (`belief`: P(true) of each label of the rungs, by classifiers of other
ladders and the label), for training ladders alone, is what a reward model is trained on here; it is trained and graded as by
rules_hidden.py, on the same pairs. In halves: a pair twice, as a positive from 1/4 and once more from 3/4 of P(true), in half
of the epochs. Features and rollouts are kept in the store (IFRL_ROOT).
"""

import argparse

import numpy as np
from reward_model_ablation import make_dataset
from rules_hidden import HEAD, Grade, Rows, blind_only, cells, graded, labels_of, trained
from rules_hidden_probe import Data, loaded
from rules_hidden_prompts import belief

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.settings import store_root

COPIES = 2
Belief = dict[tuple[str, int, int], float]  # by instruction, level of the constraint and rung of the answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    blind_to_rules = ["reward_model.calibrate=false", "reward_model.baselines=false", "labels.contradicted=keep"]
    config = load_recipe(arguments.recipe, [*blind_to_rules, *arguments.set])
    blind_only(config)
    made = make_dataset(config, store)
    data = loaded(made, store, 1)
    epochs = {"epochs": config.reward_model.epochs // COPIES}
    fewer = config.model_copy(update={"reward_model": config.reward_model.model_copy(update=epochs)})
    grades: dict[str, list[Grade]] = {"all rungs": [], "as believed, above 1/2": [], "as believed, in halves": []}
    for seed in arguments.seeds:
        rows = labels_of(config, made, store, seed)
        believed = believed_of(data, {row["instruction_id"] for row in rows if row["split"] == "train"})
        ways = {
            "all rungs": (config, rows),
            "as believed, above 1/2": (config, as_believed(rows, believed, 1)),
            "as believed, in halves": (fewer, as_believed(rows, believed, COPIES)),
        }
        for name, (settings, labelled) in ways.items():
            grades[name].append(graded(trained(settings, made, labelled, store, seed)))
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for name, of_seeds in grades.items():
        print(f"| {' | '.join([name, 'seen', *cells(of_seeds)])} |")


def believed_of(data: Data, instructions: set[str]) -> Belief:
    """P(true) of the labels of these ladders, from classifiers of the others among them."""
    mine = np.isin(data.instruction, sorted(instructions)) & (data.how == "own")
    part = Data(*(column[mine] for column in data))
    levels = [int(name.rpartition("|")[2]) for name in part.constraint]
    places = zip(part.instruction.tolist(), levels, part.rung.tolist(), strict=True)
    return dict(zip(places, belief(part)[0].tolist(), strict=True))


def as_believed(rows: Rows, believed: Belief, copies: int) -> Rows:
    """Training rows `copies` times, the i-th positive where P(true) lies above (i + 1/2) / copies; the others as they are."""
    labelled: Rows = []
    for row in rows:
        if row["split"] != "train":
            labelled.append(row)
            continue
        true = believed[row["instruction_id"], row["level"], row["rung"]]
        for copy in range(copies):
            label = int(true > (copy + 0.5) / copies)
            labelled.append({**row, "label_id": f"{row['label_id']}-{copy}", "label": label})
    return labelled


if __name__ == "__main__":
    main()
