"""Evolving against even instructions at equal steps: groups of rollouts without a spread, and what the policy gains.

    python benchmarks/evolving.py even|evolving SEED [--rounds 2] [--steps 10]
    python benchmarks/evolving.py difference SEED ...

SmolLM2-135M in the shapes of demo-cpu, on all hard types of the catalog that fit, not on those that the demo picked by hand;
rewards are rules alone. Each round trains from the policy of the round before, the curriculum begins anew, and a round's
random seed is of its own (SEED + 10 * round), so that even rounds ask other prompts too. What comes before is made once, with
the recipe's seed (store: IFRL_ROOT). Measured on the third split (policy_ablation.py), whose constraints are drawn evenly, by
rules alone.

The row: of each round the share of groups without a spread by rules (of these all pass, none passes, in all that they are
asked), then hard constraints before and after in per cent, the gain in points with its 95% interval, by level, and seconds of
training, and of the rollouts that evolving goes by. `difference`, once all are measured: what evolving's answers satisfy more
than even's, to the same prompts, by seed and over all of them; the intervals are over prompts, not over seeds.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
from policy_ablation import both, print_row, third_split
from reward_model_ablation import make_dataset, shown

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.evaluation.held_out import asked_rows, compared, requests_of, scored_answers
from ifrl_core.evolving.stage import evolve_instructions
from ifrl_core.inference import Sampling
from ifrl_core.inference.open import open_engine
from ifrl_core.instructions.stage import make_prompts
from ifrl_core.policy.stage import train_policy
from ifrl_core.records import Row
from ifrl_core.report.text import fixed, interval, percent, signed
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.settings import store_root
from ifrl_core.stages.stage import Figures
from ifrl_core.text.reasoning import THINK
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
    parser.add_argument("writer", choices=("even", "evolving", "difference"))
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="Of each round")
    arguments = parser.parse_args()
    store = KeepingStore(store_root())
    if arguments.writer == "difference":
        difference_of(arguments.seeds)
        return
    config = load_recipe("demo-cpu", [*OVERRIDES, f"policy.max_steps={arguments.steps}"])
    for seed in arguments.seeds:
        measure(arguments.writer, seed, arguments.rounds, config, store)


def measure(writer: str, first_seed: int, rounds: int, config: PipelineConfig, store: ArtifactStore) -> None:
    made = make_dataset(config, store)
    policy, seconds, shares = made["model"], 0.0, []
    for number in range(rounds):
        seed, prompts = first_seed + 10 * number, made["prompts"]
        if writer == "evolving":
            rollouts = make_rollouts(
                config.rollouts, {"model": policy, "prompts": prompts}, store, shown, seed=config.seed
            )
            seconds += store.manifest(rollouts).cost.seconds if number else 0.0  # those of the model are there anyway
            prompts = evolved(config, made, rollouts, seed, store)
        policy = train_policy(config.policy, {"model": policy, "prompts": prompts}, store, shown, seed=seed)
        seconds += store.manifest(policy).cost.seconds
        shares.append(in_words(list(groups(store, policy))))
    before = kept("before", lambda: answers_of(config, made["model"], store))
    after = kept(f"{writer}-{first_seed}", lambda: answers_of(config, policy, store))
    hard = compared(before, after)["hard"]
    levels = ", ".join(f"L{level} {signed(of['mean'])}" for level, of in hard["by_level"].items())
    print_row([writer, str(first_seed), *shares, both(hard["overall"]), gain_of(hard), levels, fixed(seconds, 0)])


def difference_of(seeds: list[int]) -> None:
    sides: tuple[list[Row], list[Row]] = ([], [])
    for seed in seeds:
        of_seed = [json.loads(file_of(f"{writer}-{seed}").read_text()) for writer in ("even", "evolving")]
        print_row([str(seed), gain_of(compared(*of_seed)["hard"])])
        for rows, more in zip(sides, of_seed, strict=True):
            rows += more
    print_row(["all", gain_of(compared(*sides)["hard"])])


def gain_of(hard: Figures) -> str:
    of = hard["overall"]
    return f"{signed(of['mean'])} {interval(of['low'], of['high'])}"


def answers_of(config: PipelineConfig, model: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """Rows of held_out.ANSWERS on the third split, without a reward model."""
    plan = config.evaluation
    rows = asked_rows(plan.levels, plan.samples, third_split(config, store), store)
    sampling = Sampling(plan.max_tokens, plan.temperature)
    completions = open_engine(plan, model, store).generate(requests_of(rows, config.seed), sampling, shown)
    return scored_answers(rows, completions, None, THINK)


def kept(name: str, make: Callable[[], list[Row]]) -> list[Row]:
    """Rows that are made once."""
    file = file_of(name)
    if not file.exists():
        made = json.dumps(make())
        file.parent.mkdir(exist_ok=True)
        file.write_text(made)
    rows: list[Row] = json.loads(file.read_text())
    return rows


def file_of(name: str) -> Path:
    return Path(store_root()) / "answers-of-evolving" / f"{name}.json"


def evolved(
    config: PipelineConfig, made: dict[str, ArtifactRef], rollouts: ArtifactRef, seed: int, store: ArtifactStore
) -> ArtifactRef:
    """Ladders by what rollouts on the even ones show."""
    inputs = {"instructions": made["instructions"], "prompts": made["prompts"], "rollouts": rollouts}
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
