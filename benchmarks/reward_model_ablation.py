"""What labels and losses make of the reward model, side by side: the same rollouts, one change a line.

    python benchmarks/reward_model_ablation.py reward-model-cpu "paper" "PU: reward_model.noise=unlabelled" ...

A line is `name: override override ...` (none: the recipe as it is); overrides are those of `--set`. Rollouts are made once
(store: IFRL_ROOT); every line trains a reward model, which the store keeps too. AUC is against rules on the validation
instructions, pooled and as the mean within types; ECE before and after calibration (Platt, cross-fitted by instruction).
"""

import argparse
import sys
import time
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.instructions import stage as dataset
from ifrl_core.labels import stage as labels
from ifrl_core.models import stage as models
from ifrl_core.report.text import count, fixed, percent
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.rollouts import stage as rollouts
from ifrl_core.seeds import stage as seeds_stage
from ifrl_core.settings import store_root

HEAD = (
    "labels",
    "trained on",
    "positives right",
    "negatives right",
    "AUC",
    "within types",
    "vs labels, soft",
    "ECE",
    "minutes",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("lines", nargs="+", metavar="NAME[: OVERRIDE ...]")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    for line in arguments.lines:
        name, _, overrides = line.partition(":")
        print(f"| {' | '.join(row(name, load_recipe(arguments.recipe, overrides.split()), store))} |", flush=True)


def row(name: str, config: PipelineConfig, store: ArtifactStore) -> list[str]:
    """The cells of one line, after the stages that it needs."""
    made = make_dataset(config, store)
    start = time.monotonic()
    trained = make_reward_model(config, made, store)
    minutes = (time.monotonic() - start) / 60
    overall, found = store.manifest(made["labels"]).figures["audit"]["overall"], store.manifest(trained).figures
    hard = found["hard"]
    return [
        name,
        count(found["counts"]["train_pairs"]),
        *(percent(overall[side]["rate"]) for side in ("positives", "negatives")),
        *(fixed(value, 3) for value in (hard["auc"], hard["auc_within_types"], found["soft"]["auc"])),
        f"{fixed(found['ece_before_calibration'], 3)} → {fixed(hard['ece'], 3)}",
        fixed(minutes, 1),
    ]


def make_dataset(config: PipelineConfig, store: ArtifactStore) -> dict[str, ArtifactRef]:
    """model, instructions, prompts, rollouts and labels of a recipe; what the store has is not made again."""
    seed = config.seed
    model = models.import_model(models.model_source(config.model), {}, store)
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(config.seeds), {}, store, seed=seed)
    written = dataset.make_instructions(config.instructions, {"seeds": seeds}, store, seed=seed)
    prompts = dataset.make_prompts(config.ladder, {"instructions": written}, store, seed=seed)
    answers = rollouts.make_rollouts(config.rollouts, {"model": model, "prompts": prompts}, store, shown, seed=seed)
    made = labels.make_labels(config.labels, {"prompts": prompts, "rollouts": answers}, store, seed=seed)
    return {"model": model, "instructions": written, "prompts": prompts, "rollouts": answers, "labels": made}


def make_reward_model(config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore) -> ArtifactRef:
    """The reward model of a recipe; made: what `make_dataset` returns."""
    inputs = {name: made[name] for name in ("model", "labels")}
    return train_reward_model(config.reward_model, inputs, store, shown, seed=config.seed)


def shown(done: int, total: int, message: str, **_: Any) -> None:
    print(f"\r{done}/{total} {message}   ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
