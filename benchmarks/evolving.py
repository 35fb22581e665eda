"""Evolving against even instructions at equal steps: groups of rollouts without a spread, and what the policy gains.

    python benchmarks/evolving.py even|evolving SEED [--rounds 2] [--steps 10]

SmolLM2-135M in the shapes of demo-cpu, on all hard types of the catalog that fit, not on those that the demo picked by hand;
rewards are rules alone. Each round trains from the policy of the round before, the curriculum begins anew, and a round's
random seed is of its own (SEED + 10 * round), so that even rounds ask other prompts too. What comes before is made once, with
the recipe's seed (store: IFRL_ROOT). Measured on the third split (policy_ablation.py), whose constraints are drawn evenly.

The row: of each round the share of groups without a spread by rules (of these all pass, none passes, in all that they are
asked), then hard constraints before and after in per cent, the gain in points with its 95% interval, by level, and CPU
seconds of training, with the answers that evolving goes by.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from policy_ablation import answers_of, both, children_cpu, print_row, third_split
from reward_model_ablation import make_dataset, shown

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evolving.stage import evolve_instructions
from ifrl_core.instructions.stage import make_prompts
from ifrl_core.policy.stage import train_policy
from ifrl_core.report.text import fixed, interval, percent, signed
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.settings import store_root
from ifrl_core.training.checkpoints import COMPLETIONS
from ifrl_core.training.job import CHECKPOINTS

OVERRIDES = (
    "instructions.types=[]",
    "instructions.hard_share=1.0",
    "instructions.max_words=48",
    "evaluation.samples=1",
    "policy.schedule=constant",
    "policy.reward.aggregation=mean",
)
Groups = list[list[float]]  # of each group the shares of hard constraints that its rollouts satisfy


class KeepingStore(ArtifactStore):
    """A store that keeps what a training left in its scratch folder: every rollout."""

    def clear_work(self, stage: str, fingerprint: str) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("writer", choices=("even", "evolving"))
    parser.add_argument("seed", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="Of each round")
    arguments = parser.parse_args()
    store = KeepingStore(store_root())
    config = load_recipe("demo-cpu", [*OVERRIDES, f"policy.max_steps={arguments.steps}"])
    made = make_dataset(config, store)
    policy, spent, shares = made["model"], 0.0, []
    for number in range(arguments.rounds):
        seed = arguments.seed + 10 * number
        before = children_cpu() + time.process_time()
        prompts = made["prompts"] if arguments.writer == "even" else evolved(config, made, policy, seed, store)
        policy = train_policy(config.policy, {"model": policy, "prompts": prompts}, store, shown, seed=seed)
        spent += children_cpu() + time.process_time() - before
        shares.append(in_words(list(groups(store, policy))))
    inputs = {"prompts": third_split(config, store)}
    answered = {
        side: answers_of(config, inputs | {"model": model}, store)
        for side, model in {"before": made["model"], "after": policy}.items()
    }
    hard = store.manifest(compare(NoConfig(), answered, store)).figures["hard"]
    gain = f"{signed(hard['overall']['mean'])} {interval(hard['overall']['low'], hard['overall']['high'])}"
    levels = ", ".join(f"L{level} {signed(of['mean'])}" for level, of in hard["by_level"].items())
    print_row([arguments.writer, str(arguments.seed), *shares, both(hard["overall"]), gain, levels, fixed(spent, 0)])


def evolved(
    config: PipelineConfig, made: dict[str, ArtifactRef], model: ArtifactRef, seed: int, store: ArtifactStore
) -> ArtifactRef:
    """Ladders by what the model shows on the even ones."""
    asked = {"model": model, "prompts": made["prompts"]}
    inputs = {name: made[name] for name in ("instructions", "prompts")}
    inputs["rollouts"] = make_rollouts(config.rollouts, asked, store, shown, seed=config.seed)
    plan = config.instructions.model_copy(update={"writer": "evolving"})
    written = evolve_instructions(plan, inputs, store, seed=seed)
    return make_prompts(config.ladder, {"instructions": written}, store, seed=config.seed)


def groups(store: ArtifactStore, policy: ArtifactRef) -> Iterator[list[float]]:
    """Of a training, in the order of its steps."""
    folder = Path(store.scratch("policy", policy.fingerprint)) / CHECKPOINTS / COMPLETIONS
    for file in sorted(folder.glob("completions_*.parquet")):
        of_prompt: dict[str, list[float]] = defaultdict(list)
        for row in pq.read_table(file, columns=["prompt_id", "parts"]).to_pylist():
            scores = [score for _, score in json.loads(row["parts"])]
            of_prompt[row["prompt_id"]].append(sum(scores) / len(scores))
        yield from of_prompt.values()


def in_words(found: Groups) -> str:
    flat = [scores for scores in found if len(set(scores)) == 1]
    passed, failed = (sum(scores[0] == end for scores in flat) for end in (1.0, 0.0))
    shares = (percent(count / len(found)) for count in (len(flat), passed, failed))
    return "{} ({} pass, {} fail)".format(*shares)


if __name__ == "__main__":
    main()
