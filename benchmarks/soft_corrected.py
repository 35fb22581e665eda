"""Which AUC would scorers of soft constraints have against the truth? Estimated from noisy labels and what these are worth.

    python benchmarks/soft_corrected.py labels reward-model-cpu [--set OVERRIDE ...]
    python benchmarks/soft_corrected.py instruments soft-cpu --worth MEAN ERROR [--set OVERRIDE ...]

labels       of answers of one rung, whether a constraint was asked for; its worth (theta+ - theta-) is that of hard types,
             whose unlikeness the interval carries (ifrl_core/reward_model/quality/corrected.py). Held against rules on hard
             types: a scorer that knows more of a label than the truth does fails there. The reward model is trained with
             rules hidden
instruments  whether the instrument of the type lies above its median; its worth is how much more often it does where a
             constraint was asked for than where not, of one rung, over --worth, what being asked for is worth (with its
             standard error: the last line of `labels`)

"Needed": how many soft pairs a scorer of 0.70 in truth takes until its AUC against these labels is clear of 0.5, from the
error that these pairs show. Answers, reward model and contrasts are kept in the store (IFRL_ROOT).
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from likelihood_contrast import likelihood_contrasts
from reward_model_ablation import make_dataset, shown
from rules_hidden import blind, blind_only, labels_of
from soft_contrast import WAYS, measured_rows

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.records import Row
from ifrl_core.report.text import NOTHING
from ifrl_core.reward_model.quality.corrected import corrected_figures
from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.settings import store_root
from ifrl_core.statistics.intervals import Floats, jackknife
from ifrl_core.statistics.noisy_labels import Clusters, corrected_auc, excess, gap

BLIND = ["reward_model.calibrate=false", "reward_model.baselines=false", "labels.contradicted=keep"]
AIM = 0.2  # of an AUC above 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("by", choices=("labels", "instruments"))
    parser.add_argument("recipe")
    parser.add_argument("--worth", nargs=2, type=float, metavar=("MEAN", "ERROR"))
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    if arguments.by == "labels":
        by_labels(load_recipe(arguments.recipe, [*BLIND, *arguments.set]), store)
    elif arguments.worth is None:
        parser.error("instruments: say what being asked for is worth, --worth MEAN ERROR")
    else:
        made = make_dataset(load_recipe(arguments.recipe, arguments.set), store)
        by_instruments(measured_rows(made, store), *arguments.worth)


def by_labels(config: PipelineConfig, store: ArtifactStore) -> None:
    pairs, ranks = scored(config, store)
    clusters = Clusters.of([pair.instruction_id for pair in pairs])
    soft = np.array([place for place, pair in enumerate(pairs) if pair.kind == "soft"])
    heads = ("pairs", "against labels", "in truth", "by rules", "soft pairs", "against labels", "in truth", "needed")
    print(f"| scorer | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    for name, values in ranks.items():
        known = [replace(pair, raw_probability=value) for pair, value in zip(pairs, values, strict=True)]
        found = corrected_figures(known)
        hard, of_soft = found["hard"]["within_rungs"], found["soft"]["within_rungs"]
        above = excess(
            np.array(values)[soft],
            [pairs[place].label for place in soft],
            clusters[soft],
            [(pairs[place].type, pairs[place].rung) for place in soft],
        )
        cells = [hard["pairs"], f"{hard['labels']:.3f}", estimate(hard), f"{hard['rules']:.3f}"]
        cells += [
            of_soft["pairs"],
            f"{of_soft['labels']:.3f}",
            estimate(of_soft),
            needed(above, of_soft["gap"], len(soft)),
        ]
        print(f"| {name} | {' | '.join(map(str, cells))} |")
    spread = found["gap"]["spread"]
    worth, error = asked_for(pairs, clusters, spread)
    print(f"\nbeing asked for is worth, on hard types, --worth {worth:.3f} {error:.3f}; types differ by {spread:.3f}")


def scored(config: PipelineConfig, store: ArtifactStore) -> tuple[list[Scored], Mapping[str, Sequence[float]]]:
    """Validation pairs of a reward model that saw no verdict, and what each scorer ranks them by."""
    blind_only(config)
    made = make_dataset(config, store)
    rows = labels_of(config, made, store, config.seed)
    inputs = {"model": made["model"], "labels": blind(rows, store)}
    ref = train_reward_model(config.reward_model, inputs, store, shown, seed=config.seed)
    trained = {
        row["label_id"]: row["raw_probability"] for row in store.read_table(ref, "validation.parquet").to_pylist()
    }
    contrasts = contrasts_of(made, store, {row["instruction_id"] for row in rows if row["split"] == "validation"})
    rows = [row for row in rows if None not in (trained.get(row["label_id"]), contrasts.get(row["label_id"]))]
    pairs = [
        Scored(
            label_id=row["label_id"],
            type=row["constraint"]["type"],
            kind=row["constraint"]["kind"],
            level=row["level"],
            label=row["label"],
            verdict=row["verdict"],
            probability=0.5,
            instruction_id=row["instruction_id"],
            rung=row["rung"],
        )
        for row in rows
    ]
    ways: dict[str, Callable[[Row], float]] = {
        "reward model": lambda row: trained[row["label_id"]],
        "likelihood contrast": lambda row: contrasts[row["label_id"]] or 0.0,
        "length (shorter)": lambda row: -len(row["response"].split()),
    }
    return pairs, {name: [way(row) for row in rows] for name, way in ways.items()}


def contrasts_of(made: dict[str, ArtifactRef], store: ArtifactStore, chosen: set[str]) -> dict[str, float | None]:
    kept = Path(f"{store_root()}/contrasts-{made['rollouts'].fingerprint[:16]}-{len(chosen)}-validation.parquet")
    if not kept.exists():
        found = likelihood_contrasts(made, store, chosen)
        pq.write_table(pa.table({"label_id": list(found), "contrast": list(found.values())}), kept)
    return {row["label_id"]: row["contrast"] for row in pq.read_table(kept).to_pylist()}


def asked_for(pairs: Sequence[Scored], clusters: Clusters, spread: float) -> tuple[float, float]:
    """What being asked for is worth on hard types, and its error for as many soft types, which may be unlike them."""
    hard = np.array([place for place, pair in enumerate(pairs) if pair.verdict is not None])
    part = [pairs[place] for place in hard]
    verdicts, labels = [bool(pair.verdict) for pair in part], [pair.label for pair in part]
    worth = gap(verdicts, labels, clusters[hard], [(pair.type, pair.rung) for pair in part])
    types = len({pair.type for pair in part})
    return float(worth[-1]), float((error_of(worth) ** 2 + 2 * spread**2 / types) ** 0.5)


def by_instruments(rows: Sequence[Row], worth: float, error: float) -> None:
    clusters = Clusters.of([row["instruction_id"] for row in rows])
    types = [row["type"] for row in rows]
    for name in set(types):
        part = [row for row in rows if row["type"] == name]
        middle = sorted(row["instrument"] for row in part)[(len(part) - 1) // 2]
        for row in part:
            row["high"] = int(row["instrument"] > middle)
    high = [row["high"] for row in rows]
    asked = [int(row["rung"] >= row["level"]) for row in rows]
    apart = gap(high, asked, clusters, [(row["type"], row["rung"]) for row in rows])
    print(
        f"{len(rows)} pairs of {len(set(types))} types; asked for, the instrument is high more often by {told(apart)}"
    )
    of_truth = apart / worth
    further = (of_truth[-1] * error / worth) ** 2
    print(f"so an instrument is worth {of_truth[-1]:.2f}, error {(error_of(of_truth) ** 2 + further) ** 0.5:.2f}\n")
    print("| scorer | against instruments | in truth | needed |\n|---|---|---|---|")
    for name in ("contrast, mean", "against other values", "constraint's words", "length (longer)"):
        above = excess([WAYS[name](row) for row in rows], high, clusters, types)
        found = vars(corrected_auc(above, of_truth, further=further))
        print(f"| {name} | {told(above, 0.5)} | {estimate(found)} | {needed(above, of_truth[-1], len(rows))} |")


def estimate(found: Mapping[str, Any]) -> str:
    if found["auc"] is None:
        return "says nothing"
    return f"{found['auc']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def needed(above: Floats, worth: float, pairs: int) -> str:
    """Pairs; AUC - 0.5 against the labels would be AIM times their worth."""
    found = pairs * (1.96 * error_of(above) / (AIM * worth)) ** 2
    return f"{found:,.0f}" if np.isfinite(found) else NOTHING


def told(values: Floats, add: float = 0.0) -> str:
    found = jackknife(float(values[-1]), values[:-1], reach=1.0).interval()
    return f"{add + found.mean:.3f} [{add + found.low:.3f}, {add + found.high:.3f}]"


def error_of(values: Floats) -> float:
    return float(np.sqrt((1 - 1 / (len(values) - 1)) * ((values[:-1] - values[-1]) ** 2).sum()))


if __name__ == "__main__":
    main()
