"""What one change of policy training makes of the policy, over several seeds: same prompts, same reward model, same steps.

    python benchmarks/policy_ablation.py demo-cpu "incremental" "final: policy.curriculum.strategy=final" [--seeds 3]

A line is `name: override override ...` (none: the recipe as it is); overrides are those of `--set`. What comes before the
policy is made once, with the recipe's seed (store: IFRL_ROOT); a line's seeds change policy training alone. Every policy
answers the same held-out prompts with the same sampling seeds as the base model. A row is one run: before and after in per
cent, the gain in points with its paired 95% interval. A line's last row is mean and standard deviation over its seeds.
"""

import argparse
import time
from statistics import fmean, stdev
from typing import Any

from reward_model_ablation import make_dataset, make_reward_model, shown

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.stage import evaluate
from ifrl_core.policy.stage import train_policy
from ifrl_core.report.text import fixed, interval, signed
from ifrl_core.settings import store_root

HEAD = (
    "policy",
    "seed",
    "hard constraints",
    "gain",
    "by level",
    "soft",
    "trip-wires",
    "task dropped",
    "words",
    "minutes",
)
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("lines", nargs="+", metavar="NAME[: OVERRIDE ...]")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    print_row(HEAD)
    print_row(["---"] * len(HEAD))
    for line in arguments.lines:
        name, _, overrides = line.partition(":")
        config = load_recipe(arguments.recipe, overrides.split())
        gains = [measure(name, config, seed, store) for seed in range(arguments.seeds)]
        if len(gains) > 1:
            of_all = f"{signed(fmean(gains))} ± {fixed(stdev(gains))}"
            print_row([f"**{name}**", "all", "", f"**{of_all}**", *[""] * (len(HEAD) - 4)])


def measure(name: str, config: PipelineConfig, seed: int, store: ArtifactStore) -> float:
    """Print the row of one run; the gain on hard constraints, in points."""
    made = make_dataset(config, store)
    reward_model = make_reward_model(config, made, store)
    inputs = {"model": made["model"], "prompts": made["prompts"], "reward_model": reward_model}
    start = time.monotonic()
    policy = train_policy(config.policy, inputs, store, shown, seed=seed)
    minutes = (time.monotonic() - start) / 60
    done = {"before": made["model"], "after": policy}
    answered = {side: answers_of(config, inputs | {"model": model}, store) for side, model in done.items()}
    found = store.manifest(compare(NoConfig(), answered, store)).figures
    hard, of_answers = found["hard"]["overall"], found["answer"]
    print_row(
        [
            name,
            str(seed),
            both(hard),
            f"{signed(hard['mean'])} {interval(hard['low'], hard['high'])}",
            ", ".join(f"L{level} {signed(of['mean'])}" for level, of in found["hard"]["by_level"].items()),
            both(found["soft"]["overall"]),
            *(both(of_answers[metric]) for metric in ("hacked", "task_dropped", "length_words")),
            fixed(minutes),
        ]
    )
    return float(hard["mean"])


def answers_of(config: PipelineConfig, inputs: dict[str, ArtifactRef], store: ArtifactStore) -> ArtifactRef:
    return evaluate(config.evaluation, inputs, store, shown, seed=config.seed)


def both(of: Figures) -> str:
    return f"{fixed(of['before'])} → {fixed(of['after'])}"


def print_row(cells: list[str] | tuple[str, ...]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
