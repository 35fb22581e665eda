"""What a warm start, GRPO and both make of the policy, over several random seeds: each drawn anew by its seed.

    python benchmarks/warm_start.py agent-cpu --seeds 0,1,2 [--set policy.warm_start.epochs=2 ...]

A row is one policy against the base model on held-out prompts: per cent before and after, the gain in points with its paired
95% interval. `L0`: nats a token of answers to the held-out prompts without constraints, under the base model: how well they
read. Seeds, constraints, rollouts and training are the recipe's with that seed (store: IFRL_ROOT).
"""

import argparse

import torch
from policy_ablation import answers_of, both, children_cpu, print_row
from reward_model_ablation import make_dataset, make_reward_model, shown
from transformers import AutoTokenizer

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.held_out import asked_rows, requests_of
from ifrl_core.inference.engine import Sampling
from ifrl_core.inference.likelihood import log_probs
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.folder import model_folder
from ifrl_core.models.load import load_causal_model
from ifrl_core.policy.stage import policy_plan, train_policy
from ifrl_core.report.text import fixed, interval, signed
from ifrl_core.settings import store_root
from ifrl_core.warm_start.stage import train_warm_start, warm_start_plan

HEAD = ("seed", "policy", "hard constraints", "gain", "by type", "trip-wires", "task dropped", "cut off", "words", "L0")
FEWEST = 4  # answers to a type that is named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--only", default="warm start,GRPO,both", help="rows, of these three")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    print_row([*HEAD, "CPU seconds"])
    print_row(["---"] * (len(HEAD) + 1))
    for seed in arguments.seeds:
        config = load_recipe(arguments.recipe, [f"seed={seed}", *arguments.set])
        measure(config, store, arguments.only.split(","))


def measure(config: PipelineConfig, store: ArtifactStore, rows: list[str]) -> None:
    """Print the rows of one random seed."""
    made = make_dataset(config, store)
    inputs = {name: made[name] for name in ("model", "prompts", "rollouts")}
    inputs["reward_model"] = make_reward_model(config, made, store)
    before = answers_of(config, inputs, store)
    of_base = fluency(config, made["model"], made, store)
    for name in rows:
        spent, model = children_cpu(), made["model"]
        if name != "GRPO":
            plan = warm_start_plan(config)
            assert plan is not None, "the recipe has no policy.warm_start"
            model = train_warm_start(plan, inputs, store, shown, seed=config.seed)
        if name != "warm start":
            model = train_policy(policy_plan(config), inputs | {"model": model}, store, shown, seed=config.seed)
        spent = children_cpu() - spent
        answered = {"before": before, "after": answers_of(config, inputs | {"model": model}, store)}
        found = store.manifest(compare(NoConfig(), answered, store)).figures
        hard, of_answers = found["hard"]["overall"], found["answer"]
        print_row(
            [
                str(config.seed),
                name,
                both(hard),
                f"{signed(hard['mean'])} {interval(hard['low'], hard['high'])}",
                ", ".join(
                    f"{kind.partition(':')[2]} {both(of)} of {of['n']}"
                    for kind, of in found["hard"]["by_type"].items()
                    if of["n"] >= FEWEST
                ),
                *(both(of_answers[metric]) for metric in ("hacked", "task_dropped", "truncated", "length_words")),
                f"{fixed(of_base, 2)} → {fixed(fluency(config, model, made, store), 2)}",
                fixed(spent, 0),
            ]
        )


def fluency(config: PipelineConfig, model: ArtifactRef, made: dict[str, ArtifactRef], store: ArtifactStore) -> float:
    """Nats a token, under the base model, of a model's answers to the held-out prompts without constraints."""
    rows = asked_rows((0,), 1, made["prompts"], store)
    asked = requests_of(rows, config.seed)
    engine = open_engine(config.evaluation, model, store)
    told = engine.generate(asked, Sampling(config.evaluation.max_tokens, config.evaluation.temperature), shown)
    forget_engine()
    folder = model_folder(made["model"], store)
    tokenizer, base = AutoTokenizer.from_pretrained(folder), load_causal_model(folder, dtype=torch.bfloat16).eval()
    total = tokens = 0.0
    for row, completion in zip(rows, told, strict=True):
        answer = tuple(tokenizer(completion.text, add_special_tokens=False)["input_ids"])
        if answer:
            (found,) = log_probs(base, tuple(prompt_ids(tokenizer, row["messages"])), [answer])
            total, tokens = total - float(found.sum()), tokens + len(answer)
    return total / tokens


if __name__ == "__main__":
    main()
