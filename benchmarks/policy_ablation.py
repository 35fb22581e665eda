"""What one change of policy training makes of the policy, over several seeds: same prompts, same reward model, same steps.

    python benchmarks/policy_ablation.py demo-cpu "incremental" "final: policy.curriculum.strategy=final" [--seeds 0,1,2]

A line is `name: override override ...` (none: the recipe as it is); overrides are those of `--set`. What comes before the
policy is made once, with the recipe's seed (store: IFRL_ROOT); a line's seeds change policy training alone. Every policy
answers the same prompts with the same sampling seeds as the base model: those of a third split, train seeds that the recipe
leaves aside (`third_split`), so that choices are made without a look at the held-out ones. A row is one run: before and after
in per cent, the gain in points with its paired 95% interval, and the seconds of policy training (wall and CPU). A line's last
row is mean and standard deviation over its seeds.

With `rollouts.own_history` training goes on from the base model's histories, each model is measured after its own, and a
column says how far constraints are kept over the turns of a dialog: the gain by each measure of evaluation/dialogs.py.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import torch
from reward_model_ablation import make_dataset, make_reward_model, shown
from transformers import AutoTokenizer

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, PipelineConfig, StageConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.stage import TABLE, evaluate
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.instructions import stage as dataset
from ifrl_core.models.folder import model_folder
from ifrl_core.models.load import load_causal_model
from ifrl_core.policy.stage import train_policy
from ifrl_core.report.text import fixed, interval, signed
from ifrl_core.rollouts.histories import make_histories_after
from ifrl_core.seeds.read import read_seeds
from ifrl_core.seeds.split import at_most, split_seeds
from ifrl_core.seeds.stage import SeedsSource, seeds_source, write_seeds
from ifrl_core.settings import store_root
from ifrl_core.stages.stage import Figures as StageFigures
from ifrl_core.stages.stage import Inputs, Work, stage

HEAD = (
    "policy",
    "seed",
    "hard constraints",
    "gain",
    "by level",
    "soft",
    "trip-wires",
    "task dropped",
    "cut off",
    "words",
    "nats a token",
    "over turns",
    "seconds",
    "CPU seconds",
)
Figures = dict[str, Any]


def main() -> None:
    store = ArtifactStore(store_root())
    for name, config, seeds in asked_lines(__doc__, HEAD):
        gains = [measure(name, config, seed, store) for seed in seeds]
        if len(gains) > 1:
            of_all = f"{signed(fmean(gains))} ± {fixed(stdev(gains))}"
            print_row([f"**{name}**", "all", "", f"**{of_all}**", *[""] * (len(HEAD) - 4)])


def asked_lines(what: str, head: Sequence[str]) -> Iterator[tuple[str, PipelineConfig, list[int]]]:
    """Of the command line (RECIPE "NAME[: OVERRIDE ...]" ... --seeds) each line's name, recipe and seeds; prints the head."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("lines", nargs="+", metavar="NAME[: OVERRIDE ...]")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    arguments = parser.parse_args()
    print_row(head)
    print_row(["---"] * len(head))
    for line in arguments.lines:
        name, _, overrides = line.partition(":")
        yield name, load_recipe(arguments.recipe, overrides.split()), arguments.seeds


def measure(name: str, config: PipelineConfig, seed: int, store: ArtifactStore) -> float:
    """Print the row of one run; the gain on hard constraints, in points."""
    made = make_dataset(config, store)
    reward_model = make_reward_model(config, made, store)
    inputs = {"model": made["model"], "prompts": made["prompts"], "reward_model": reward_model}
    inputs = after_histories(config, inputs, store, "train")
    start, spent = time.monotonic(), children_cpu()
    policy = train_policy(config.policy, inputs, store, shown, seed=seed)
    seconds, cpu_seconds = time.monotonic() - start, children_cpu() - spent
    inputs["prompts"] = third_split(config, store)
    done = {"before": made["model"], "after": policy}
    asked = {
        side: after_histories(config, inputs | {"model": model}, store, "held_out") for side, model in done.items()
    }
    answered = {side: answers_of(config, of_side, store) for side, of_side in asked.items()}
    found = store.manifest(compare(NoConfig(), answered, store)).figures
    hard, of_answers = found["hard"]["overall"], found["answer"]
    print_row(
        [
            name,
            str(seed),
            both(hard),
            gain(hard),
            ", ".join(f"L{level} {signed(of['mean'])}" for level, of in found["hard"]["by_level"].items()),
            both(found["soft"]["overall"]),
            *(both(of_answers[metric]) for metric in ("hacked", "task_dropped", "truncated", "length_words")),
            " → ".join(fixed(-log_likelihood(made["model"], answered[side], store), 2) for side in answered),
            ", ".join(f"{name} {gain(of)} n={of['n']}" for name, of in found.get("over_turns", {}).items()),
            fixed(seconds, 0),
            fixed(cpu_seconds, 0),
        ]
    )
    return float(hard["mean"])


class ThirdSplit(StageConfig):
    """Which train seeds the third split is made of: `count` of those that come after the first `train` in the order of their
    hash, without any that a run with one of the `measured` seeds is measured on."""

    source: SeedsSource
    count: int = 120
    measured: tuple[int, ...] = (0, 1, 2)


@stage("third-split", version=1, inputs=(), config=lambda recipe: ThirdSplit(source=seeds_source(recipe.seeds)))
def third_seeds(config: ThirdSplit, inputs: Inputs, work: Work) -> StageFigures:
    """Seeds that no run of the recipe trains on or is measured on, as held-out ones."""
    source = config.source
    texts, rejected = read_seeds(source.paths, builtin=source.builtin)
    train = [seed for seed in split_seeds(texts, source.held_out_share, work.seed) if seed.split == "train"]
    taken = at_most(train, source.train, work.seed)
    known = {seed.seed_id for seed in taken}
    for number in config.measured:
        split = split_seeds(texts, source.held_out_share, number)
        held_out = [seed for seed in split if seed.split == "held_out"]
        known |= {seed.seed_id for seed in at_most(held_out, source.held_out, number)}
    rest = [replace(seed, split="held_out") for seed in train if seed.seed_id not in known]
    return write_seeds(work, len(texts), taken[:2], at_most(rest, config.count, work.seed), rejected)


def third_split(config: PipelineConfig, store: ArtifactStore) -> ArtifactRef:
    """Prompts of the third split."""
    seeds = third_seeds(ThirdSplit(source=seeds_source(config.seeds)), {}, store, seed=config.seed)
    written = dataset.make_instructions(config.instructions, {"seeds": seeds}, store, seed=config.seed)
    return dataset.make_prompts(config.ladder, {"instructions": written}, store, seed=config.seed)


@torch.inference_mode()
def log_likelihood(
    base: ArtifactRef, evaluation: ArtifactRef, store: ArtifactStore, at_once: int = 16, at_most: int = 160
) -> float:
    """Mean log-probability of a token of the answers under the base model, given the prompts: how well they read.

    Of `at_most` answers, evenly drawn: a token's mean is told within 0.1 nats by as many."""
    folder = model_folder(base, store)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), load_causal_model(folder, dtype=torch.bfloat16).eval()
    rows = store.read_table(evaluation, TABLE).to_pylist()
    rows = rows[:: max(1, len(rows) // at_most)]
    total = tokens = 0.0
    for start in range(0, len(rows), at_once):
        asked = [
            prompt_ids(tokenizer, [{"role": "user", "content": row["prompt"]}]) for row in rows[start : start + at_once]
        ]
        said = [tokenizer(row["text"], add_special_tokens=False)["input_ids"] for row in rows[start : start + at_once]]
        texts = [torch.tensor(prompt + answer) for prompt, answer in zip(asked, said, strict=True)]
        ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        predicted = model(input_ids=ids).logits[:, :-1].float().log_softmax(-1)
        for row, (prompt, text) in enumerate(zip(asked, texts, strict=True)):
            own = predicted[row, len(prompt) - 1 : len(text) - 1].gather(1, text[len(prompt) :, None])
            total, tokens = total + own.sum().item(), tokens + len(own)
    return total / tokens


def children_cpu() -> float:
    """CPU seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def answers_of(config: PipelineConfig, inputs: dict[str, ArtifactRef], store: ArtifactStore) -> ArtifactRef:
    return evaluate(config.evaluation, inputs, store, shown, seed=config.seed)


def after_histories(config: PipelineConfig, inputs: Inputs, store: ArtifactStore, split: str) -> dict[str, ArtifactRef]:
    """`inputs` with the prompts of a split after the model's own histories, where the recipe asks for them."""
    plan = make_histories_after.config(config)
    if plan is None:
        return dict(inputs)
    own = make_histories_after(plan.model_copy(update={"splits": (split,)}), inputs, store, shown, seed=config.seed)
    return {**inputs, "prompts": own}


def gain(of: Figures) -> str:
    return f"{signed(of['mean'])} {interval(of['low'], of['high'])}"


def both(of: Figures) -> str:
    return f"{fixed(of['before'])} → {fixed(of['after'])}"


def print_row(cells: list[str] | tuple[str, ...]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
