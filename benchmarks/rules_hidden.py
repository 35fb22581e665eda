"""Can pseudo-labels alone teach what a constraint means? Hard types stand in for soft ones: rules grade, and nothing else.

    python benchmarks/rules_hidden.py reward-model-cpu "paper" "all rungs: labels.negatives=all_lower" --seeds 0 1 2

A line is `name: override override ...` (none: the recipe as it is), `--set` names overrides of all lines. The labels that a
reward model is trained on know no rule: every constraint is soft and every verdict null in a copy of the artifact, so no
filter, noise rate, calibration or early stopping can look at one; options that choose labels by rules are refused. Two
settings:

seen      every type is trained on; graded are validation instructions
held out  families of types (the part before the colon) are left out in turn, `--folds` groups of them: no label of these
          types is trained on, and they alone are graded, which is what an unseen soft constraint is

Rollouts are made once (store: IFRL_ROOT); a seed chooses the validation instructions, the order of training and the head. A
table: mean over seeds and their standard deviation of the AUC by rules (pooled, within types, and within types of answers of
one rung), against labels, and, within types, of what it has to beat on the same pairs: the length of the answer, the backbone
asked yes or no, and its likelihood contrast; stacked are the contrast, twice, and the logit of the reward model, both
standardised by type. What the untrained backbone says is kept in the store, for all lines of a seed.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from likelihood_contrast import likelihood_contrasts
from numpy.typing import ArrayLike, NDArray
from reward_model_ablation import make_dataset, shown
from scipy.special import logit

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import LabelsConfig, PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.labels.audit import agreement_by_type
from ifrl_core.labels.contrasts import rungs_of
from ifrl_core.labels.stage import make_labels
from ifrl_core.models.folder import model_folder
from ifrl_core.records import LABELS, Row
from ifrl_core.report.text import NOTHING, fixed
from ifrl_core.reward_model.quality.baselines import by_length
from ifrl_core.reward_model.quality.zero_shot import zero_shot_probabilities
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.settings import store_root
from ifrl_core.statistics.agreement import auc
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.statistics.noisy_labels import Clusters, excess

HEAD = (
    "labels",
    "types",
    "AUC pooled",
    "within types",
    "of one rung",
    "against labels",
    "length",
    "zero-shot",
    "likelihood",
    "stacked",
    "pairs",
)
UNTRAINED = ("zero-shot", "likelihood")
Grade = dict[str, float | None]
Rows = list[Row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("lines", nargs="+", metavar="NAME[: OVERRIDE ...]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--folds", type=int, default=3, help="Groups of families that are held out in turn; 0: seen alone"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE", help="Overrides of every line")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    for line in arguments.lines:
        name, _, overrides = line.partition(":")
        blind_to_rules = ["reward_model.calibrate=false", "reward_model.baselines=false"]
        config = load_recipe(arguments.recipe, [*blind_to_rules, *arguments.set, *overrides.split()])
        blind_only(config)
        made = make_dataset(config, store)
        settings: dict[str, Callable[[int], Grade]] = {
            "seen": lambda seed, config=config, made=made: seen(config, made, store, seed),
            "held out": lambda seed, config=config, made=made: held_out(config, made, store, seed, arguments.folds),
        }
        if not arguments.folds:
            del settings["held out"]
        for setting, grade in settings.items():
            print(f"| {' | '.join([name, setting, *cells([grade(seed) for seed in arguments.seeds])])} |", flush=True)


def blind_only(config: PipelineConfig) -> None:
    """
    Raises:
        ConfigError: when an option of the labels or of the training asks a rule.
    """
    asks = {
        "labels.contradicted": config.labels.contradicted != "keep",
        "labels.drop_types_without_contrast": config.labels.drop_types_without_contrast is not None,
        "labels.positives best_of_n": config.labels.positives == "best_of_n",
        "reward_model.noise": config.reward_model.noise != "ignore",
        "reward_model.calibrate": config.reward_model.calibrate,
    }
    if named := [name for name, asked in asks.items() if asked]:
        raise ConfigError(f"{', '.join(named)}: asks rules, which are hidden here; leave it out")


def seen(config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, seed: int) -> Grade:
    """The grade of one reward model, trained on all types."""
    rows = labels_of(config, made, store, seed)
    return graded(trained(config, made, rows, store, seed))


def held_out(
    config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, seed: int, folds: int
) -> Grade:
    """The grade over all hard types of models that had no label of their family; each ranks its own types alone, so that only
    what compares within types is pooled over models."""
    rows = labels_of(config, made, store, seed)
    families = sorted(
        {family(row) for row in rows if row["verdict"] is not None}, key=lambda name: rank_by_hash("fold", seed, name)
    )
    graded_rows: Rows = []
    for fold in range(min(folds, len(families))):
        left_out = set(families[fold::folds])
        part = [row for row in rows if (family(row) in left_out) == (row["split"] == "validation")]
        graded_rows += trained(config, made, part, store, seed)
    return graded(graded_rows) | {"AUC pooled": None}


def labels_of(config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, seed: int) -> Rows:
    """Labels as this seed splits them, each with the rung of its answer."""
    refs = {name: made[name] for name in ("prompts", "rollouts")}
    rows = list(store.rows(make_labels(config.labels, refs, store, seed=seed)))
    rungs = rungs_of(rows)
    return [{**row, "rung": rungs[row["rollout_id"]]} for row in rows]


def family(row: Row) -> str:
    return str(row["constraint"]["type"]).partition(":")[0]


def trained(config: PipelineConfig, made: dict[str, ArtifactRef], rows: Rows, store: ArtifactStore, seed: int) -> Rows:
    """Hard validation rows with the score of a reward model that was shown none of their verdicts, and those of its rivals;
    a row that one of them cannot score is left out."""
    inputs = {"model": made["model"], "labels": blind(rows, store)}
    ref = train_reward_model(config.reward_model, inputs, store, shown, seed=seed)
    scores = {
        row["label_id"]: row["raw_probability"] for row in store.read_table(ref, "validation.parquet").to_pylist()
    }
    others = untrained(config, made, store, seed)
    hard = [row for row in rows if row["split"] == "validation" and row["verdict"] is not None]
    lengths = by_length([row for row in rows if row["split"] == "train"], hard)
    scored = [
        {**row, "score": scores[row["label_id"]], "length": length, **others[row["label_id"]]}
        for row, length in zip(hard, lengths, strict=True)
    ]
    return [row for row in scored if None not in [row[name] for name in ("score", *UNTRAINED)]]


def untrained(
    config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, seed: int
) -> dict[str, dict[str, float | None]]:
    """By label id, what the backbone says of every answer to a validation instruction and each of its hard constraints."""
    every = LabelsConfig(
        validation_share=config.labels.validation_share,
        negatives="all_lower",
        positive_rungs="all_upper",
        drop_identical=False,
        drop_empty=False,
    )
    labels = make_labels(every, {name: made[name] for name in ("prompts", "rollouts")}, store, seed=seed)
    most = config.reward_model.max_tokens
    inputs = {"model": made["model"].fingerprint, "labels": labels.fingerprint}
    identity = fingerprint("untrained", 3, {"max_tokens": most}, inputs)
    ref = store.find("untrained", identity)
    if ref is None:
        rows = [row for row in store.rows(labels) if row["split"] == "validation" and row["verdict"] is not None]
        pairs = [(row["response"], row["constraint"]["text"]) for row in rows]
        contrasts = likelihood_contrasts(made, store, {row["instruction_id"] for row in rows})
        columns = {
            "label_id": [row["label_id"] for row in rows],
            "zero-shot": zero_shot_probabilities(model_folder(made["model"], store), pairs, most),
            "likelihood": [contrasts[row["label_id"]] for row in rows],
        }
        writer = store.writer("untrained", 3, identity, {}, {})
        writer.write_table("scores.parquet", pa.table(columns))
        ref = writer.commit({})
    return {
        row["label_id"]: {name: row[name] for name in UNTRAINED}
        for row in store.read_table(ref, "scores.parquet").to_pylist()
    }


def blind(rows: Rows, store: ArtifactStore) -> ArtifactRef:
    """The labels as an artifact that holds no verdict: every constraint is soft, and the audit empty."""
    hidden = [
        {
            **{name: row[name] for name in LABELS.names},
            "verdict": None,
            "constraint": {**row["constraint"], "kind": "soft"},
        }
        for row in rows
    ]
    identity = fingerprint(
        "labels", 1, {"rules hidden": [(row["label_id"], row["split"], row["label"]) for row in rows]}, {}
    )
    if found := store.find("labels", identity):
        return found
    writer = store.writer("labels", 1, identity, {"rules": "hidden"}, {})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(hidden, schema=LABELS))
    return writer.commit({"training_audit": agreement_by_type({}), "dropped": {}})


def graded(rows: Rows) -> Grade:
    clusters = Clusters.of([row["instruction_id"] for row in rows])
    types = [row["constraint"]["type"] for row in rows]
    verdicts, labels = [int(row["verdict"]) for row in rows], [row["label"] for row in rows]
    scores = [row["score"] for row in rows]

    def within(values: ArrayLike, truth: Sequence[int], strata: Sequence[Any]) -> float:
        return 0.5 + float(excess(values, truth, clusters, strata)[-1])

    logits, contrasts = logit([row["score"] for row in rows]), [row["likelihood"] for row in rows]
    return {
        "AUC pooled": auc(scores, verdicts),
        "within types": within(scores, verdicts, types),
        "of one rung": within(scores, verdicts, [(row["constraint"]["type"], row["rung"]) for row in rows]),
        "against labels": within(scores, labels, types),
        **{name: within([row[name] for row in rows], verdicts, types) for name in ("length", *UNTRAINED)},
        "stacked": within(2 * standardised(contrasts, types) + standardised(logits, types), verdicts, types),
        "pairs": float(len(rows)),
    }


def standardised(values: ArrayLike, types: Sequence[str]) -> NDArray[np.float64]:
    """Values (n,) less the mean of their type, in its standard deviations."""
    given, names = np.asarray(values, dtype=np.float64), np.asarray(types)
    found = np.zeros(len(given))
    for name in set(types):
        mine = given[names == name]
        found[names == name] = (mine - mine.mean()) / (mine.std() + 1e-6)
    return found


def cells(grades: Sequence[Grade]) -> list[str]:
    """Mean and standard deviation over seeds."""
    shown_as = []
    for name in HEAD[2:]:
        values = [value for grade in grades if (value := grade[name]) is not None]
        digits = 0 if name == "pairs" else 3
        spread = f" ± {fixed(statistics.stdev(values), digits)}" if len(values) > 1 else ""
        shown_as.append(f"{fixed(statistics.fmean(values), digits)}{spread}" if values else NOTHING)
    return shown_as


if __name__ == "__main__":
    main()
