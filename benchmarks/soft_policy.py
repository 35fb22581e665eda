"""What policies gain on soft constraints that are all their reward, by instruments: one scorer of them against another.

    python benchmarks/soft_policy.py soft-cpu "likelihood" "reward model: policy.reward.soft=reward_model" [--seeds 0,1,2]

Lines and seeds are those of policy_ablation.py, and so are the prompts that answer before and after (its third split). A row
is one run, every constraint of every answer counted: by instruments before and after in per cent of their scale, the gain
in points with its paired 95% interval, the same when every word of the constraint is taken out of the answers (what naming
it gained is left out), the reward model's and the likelihood's own opinion of the same answers, trip-wires,
tasks dropped, the share of a constraint's words that the answer says, the share of an answer's runs of four words that stand
in the prompt, and its words. Below a line's rows: the gain by instruments of each type, mean over seeds.
"""

import time
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from policy_ablation import answers_of, asked_lines, both, children_cpu, print_row, third_split
from reward_model_ablation import make_dataset, make_reward_model, shown

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import NoConfig, PipelineConfig
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.held_out import answer_in
from ifrl_core.evaluation.stage import TABLE
from ifrl_core.instruments.instrument import Asked, words
from ifrl_core.instruments.table import measured
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.stage import train_policy
from ifrl_core.records import Constraint, Row, constraint_of, conversation_of
from ifrl_core.report.text import fixed, interval, signed
from ifrl_core.rewards.likelihood import LikelihoodScorer
from ifrl_core.rewards.score import Answered
from ifrl_core.settings import store_root

HEAD = (
    "policy",
    "seed",
    "by instruments",
    "gain",
    "gain without its words",
    "by reward model",
    "by likelihood",
    "trip-wires",
    "task dropped",
    "gain there",
    "constraint's words said",
    "runs of the prompt",
    "words",
    "cut off",
    "seconds",
    "CPU seconds",
)
RUN = 4
Opinion = dict[str, list[float | None]]


def main() -> None:
    store = ArtifactStore(store_root())
    for name, config, seeds in asked_lines(__doc__, HEAD):
        found = [measure(name, config, seed, store) for seed in seeds]
        gains = [fmean(gain for of_type in by_type.values() for gain in of_type) for by_type in found]
        of_all = f"{signed(fmean(gains))}" + (f" ± {fixed(stdev(gains))}" if len(gains) > 1 else "")
        print_row([f"**{name}**", "all", "", of_all, *[""] * (len(HEAD) - 4)])
        for type_ in sorted(found[0]):
            of_seeds = [fmean(by_type[type_]) for by_type in found]
            print_row([type_, "all", "", ", ".join(map(signed, of_seeds)), *[""] * (len(HEAD) - 4)])


def measure(name: str, config: PipelineConfig, seed: int, store: ArtifactStore) -> dict[str, list[float]]:
    """Print the row of one run; gains by instruments, in points, by type."""
    made = make_dataset(config, store)
    inputs = {
        "model": made["model"],
        "prompts": made["prompts"],
        "reward_model": make_reward_model(config, made, store),
    }
    start, spent = time.monotonic(), children_cpu()
    policy = train_policy(config.policy, inputs, store, shown, seed=seed)
    seconds, cpu_seconds = time.monotonic() - start, children_cpu() - spent
    rewards = [
        value for value in store.read_table(policy, "metrics.parquet")["reward/total"].to_pylist() if value is not None
    ]
    print("rewards", *(f"{value:.2f}" for value in rewards), flush=True)
    inputs["prompts"] = third_split(config, store)
    answered = {
        side: answers_of(config, inputs | {"model": model}, store)
        for side, model in (("before", made["model"]), ("after", policy))
    }
    prompts = {row["prompt_id"]: row for row in store.rows(inputs["prompts"])}
    likelihood = LikelihoodScorer(model_folder(made["model"], store))
    sides = [judged(store.read_table(answered[side], TABLE).to_pylist(), prompts, likelihood) for side in answered]
    gains = {column: paired(*sides, column) for column in ("instrument", "unsaid", "reward model", "likelihood")}
    instruments, unsaid = (difference(gains[column]) for column in ("instrument", "unsaid"))
    of_answers = store.manifest(compare(NoConfig(), answered, store)).figures["answer"]
    dropped = of_answers["task_dropped"]
    print_row(
        [
            name,
            str(seed),
            both(instruments),
            f"{signed(instruments['mean'])} {interval(instruments['low'], instruments['high'])}",
            f"{signed(unsaid['mean'])} {interval(unsaid['low'], unsaid['high'])}",
            *(both(difference(gains[column])) for column in ("reward model", "likelihood")),
            both(of_answers["hacked"]),
            both(dropped),
            f"{signed(dropped['mean'])} {interval(dropped['low'], dropped['high'])}",
            *(
                " → ".join(fixed(100 * fmean(row[column] for row in side)) for side in sides)
                for column in ("said", "runs")
            ),
            both(of_answers["length_words"]),
            both(of_answers["truncated"]),
            fixed(seconds, 0),
            fixed(cpu_seconds, 0),
        ]
    )
    by_type: dict[str, list[float]] = {}
    for row in gains["instrument"]:
        by_type.setdefault(row["type"], []).append(100 * (row["after"] - row["before"]))
    return by_type


def judged(rows: Sequence[Row], prompts: dict[str, Row], likelihood: LikelihoodScorer) -> list[Row]:
    """A row a constraint of every answer, with what each judge says of it (None: nothing)."""
    bottoms = {row["instruction_id"]: conversation_of(row) for row in prompts.values() if row["level"] == 0}
    found = []
    for row in rows:
        for constraint, verdict in zip(
            map(constraint_of, prompts[row["prompt_id"]]["constraints"]), row["verdicts"], strict=True
        ):
            answer = answer_in(row)
            found.append(
                {
                    "type": constraint.type,
                    "cluster": row["instruction_id"],
                    "asked": Answered(bottoms[row["instruction_id"]], constraint, answer),
                    "reward model": verdict["probability"],
                    "said": share(words(constraint.text), set(words(answer))),
                    "runs": share(runs(answer), set(runs(row["prompt"]))),
                }
            )
    asked = [row.pop("asked") for row in found]
    as_said = measured([Asked(one.constraint.type, one.constraint.args, one.answer) for one in asked])
    unsaid = measured([Asked(one.constraint.type, one.constraint.args, without_words(*one[1:])) for one in asked])
    for row, *opinions in zip(found, as_said, unsaid, likelihood.scores(asked), strict=True):
        row.update(zip(("instrument", "unsaid", "likelihood"), opinions, strict=True))
    return found


def without_words(constraint: Constraint, answer: str) -> str:
    """The answer without the words that stand in the constraint."""
    named = set(words(constraint.text))
    return " ".join(part for part in answer.split() if not named & set(words(part)))


def paired(before: Sequence[Row], after: Sequence[Row], column: str) -> list[Row]:
    return [
        {"type": one["type"], "cluster": one["cluster"], "before": one[column], "after": other[column]}
        for one, other in zip(before, after, strict=True)
        if None not in (one[column], other[column])
    ]


def runs(text: str) -> list[tuple[str, ...]]:
    said = words(text)
    return [tuple(said[at : at + RUN]) for at in range(len(said) - RUN + 1)]


def share(of: Sequence[Any], among: set[Any]) -> float:
    return sum(item in among for item in of) / len(of) if of else 0.0


if __name__ == "__main__":
    main()
