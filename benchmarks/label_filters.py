"""What each filter and each way of pairing does to the agreement of pseudo-labels with the rules: an ablation table.

    python benchmarks/label_filters.py [RUN | labels/FINGERPRINT] [--json]

Reads the prompts and rollouts that the labels were made from (store: IFRL_ROOT) and pairs them again; nothing is generated
or trained, nothing is written. Each line is one change from the paper's labels (neighbouring rungs, identical and empty
answers left out); shares are of labels that a rule can check, with 95% Wilson intervals. `contrast` is the pass rate of
positives minus that of negatives, in points (Newcombe): what the labels are worth to a classifier. Figures measured with
it are in benchmarks/label_filters.md.
"""

import argparse
import json
from collections import Counter

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.labels.audit import agreement, contrast
from ifrl_core.labels.contrasts import Candidate, make_contrasts
from ifrl_core.labels.filters import FILTERS, Tally, kept
from ifrl_core.labels.people.sheet import find_labels
from ifrl_core.labels.selection import types_without_contrast
from ifrl_core.report.text import count, percent, percent_interval, points, points_interval
from ifrl_core.settings import store_root

SIDES = ("agreement", "positives", "negatives")
NOTHING_OFF = {"drop_identical": False, "drop_empty": False}


def main() -> None:
    arguments = parse()
    store = ArtifactStore(store_root())
    labels = find_labels(arguments.labels, store)
    lines = ablation(labels, store)
    if arguments.json:
        print(json.dumps(lines, indent=2))
        return
    print(f"{labels.uri}\n\n| labels | all | left out | agreement | positives right | negatives right | contrast |")
    print("|---|---|---|---|---|---|---|")
    for name, row in lines.items():
        shares = [f"{percent(row[s]['rate'])} ({percent_interval(row[s]['low'], row[s]['high'])})" for s in SIDES]
        difference = row["contrast"]
        shares.append(f"{points(difference['difference'])} {points_interval(difference['low'], difference['high'])}")
        print(f"| {name} | {count(row['labels'])} | {count(row['left_out'])} | {' | '.join(shares)} |")


def ablation(labels: ArtifactRef, store: ArtifactStore) -> dict[str, dict]:
    """Figures by the name of the change: {"labels", "left_out", agreement, positives, negatives, contrast}."""
    manifest = store.manifest(labels)
    inputs = {name: store.find(*manifest.inputs[name].split("/", 1)) for name in ("prompts", "rollouts")}
    if gone := [manifest.inputs[name] for name, ref in inputs.items() if ref is None]:
        raise SystemExit(f"{' and '.join(gone)} are gone from {store.root}")
    seed = manifest.config["seed"]

    def members(config: LabelsConfig) -> tuple[list[Candidate], Tally]:
        tally = Tally()
        return list(kept(config, make_contrasts(config, inputs, store, seed), tally)), tally

    base, _ = members(LabelsConfig())
    found = {"as the paper": line(base, 0)}
    everything = LabelsConfig(**NOTHING_OFF)
    figures = members(everything)[1].figures(everything)
    found["no filter"] = {**figures["before"], "left_out": 0}
    for name in FILTERS:
        row = figures["alone"][name]
        found[f"alone: {name}"] = {**row, "left_out": row["dropped"]}
    changes = {"negatives: all_lower": {"negatives": "all_lower"}}
    if any(member.sample for member in base):
        changes["positives: best_of_n"] = {"positives": "best_of_n"}
    for name, changed in changes.items():
        rows, tally = members(LabelsConfig(**changed))
        found[name] = line(rows, tally.dropped.total())
    return found | without_types(base)


def without_types(base: list[Candidate]) -> dict[str, dict]:
    """Types are chosen by the training labels and measured on the others: on their own choice they would flatter."""
    validation = [member for member in base if member.row["split"] == "validation"]
    train = Counter(member.cell for member in base if member.for_training)
    figures = {"validation labels, as the paper": line(validation, 0)}
    for threshold in (0.0, 0.1):
        weak = types_without_contrast(train, threshold)
        rest = [member for member in validation if member.row["constraint"]["type"] not in weak]
        name = f"the same without {len(weak)} types, contrast not clear of {threshold:g}"
        figures[name] = line(rest, len(validation) - len(rest))
    return figures


def line(members: list[Candidate], left_out: int) -> dict:
    counts = Counter(member.outcome for member in members)
    return {"labels": len(members), "left_out": left_out, **agreement(counts), "contrast": contrast(counts)}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", nargs="?", help="name of a run, or labels/FINGERPRINT; default: the latest run")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
