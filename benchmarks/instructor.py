"""What a twin of the policy writes before and after each turn of its training (writer instructor).

    python benchmarks/instructor.py [--turns 2] [--steps 8]

SmolLM2-135M on the prompts and rollouts of benchmarks/evolving.py (hard types alone, store: IFRL_ROOT); the follower
stays as it is, so that what changes is the instructor. A row a turn: seeds asked and those left without a usable
constraint, then shares of the replies that could be read, of their constraints that tell what to do, constraints kept a
seed, distinct templates and the top template among them; of the training the reward of its first and last five steps,
groups without a spread, CPU seconds.
"""

import argparse

from evolving import OVERRIDES
from policy_ablation import children_cpu, print_row
from reward_model_ablation import make_dataset, shown

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.instructor.stage import instructor_plan, train_instructor
from ifrl_core.instructor.write import write_instructions, writing_plan
from ifrl_core.report.text import fixed, percent
from ifrl_core.settings import store_root

HEAD = ("turn", "seeds", "none", "read", "directive", "kept", "distinct", "top", "reward", "no spread", "CPU s")
WRITER = (
    "instructions.writer=instructor",
    "instructions.model_writer.max_tokens=96",
    "instructions.model_writer.references=4",
    "instructions.model_writer.attempts=1",
    "policy.prompts_per_step=2",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8, help="Of each turn")
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    made = make_dataset(load_recipe("demo-cpu", OVERRIDES), store)
    config = load_recipe("demo-cpu", [*OVERRIDES, *WRITER, f"instructions.instructor.steps={arguments.steps}"])
    training, writing = instructor_plan(config), writing_plan(config)
    inputs = {name: made[name] for name in ("instructions", "prompts", "rollouts")}
    instructor, told = made["model"], ["", "", ""]
    print_row(HEAD)
    print_row(["---"] * len(HEAD))
    for turn in range(arguments.turns + 1):
        if turn:
            before = children_cpu()
            instructor = train_instructor(training, {**inputs, "model": instructor}, store, shown, seed=turn)
            figures = store.manifest(instructor).figures
            rewards = " → ".join(fixed(figures[name], 3) for name in ("reward_first", "reward_last"))
            told = [rewards, percent(figures["zero_variance_share"]), fixed(children_cpu() - before, 0)]
        written = write_instructions(writing, {**inputs, "instructor": instructor}, store, shown, seed=turn)
        of = store.manifest(written).figures["writing"]
        shares = [percent(of[name]) for name in ("parsed", "directive")]
        print_row([str(turn), str(of["asked"]), str(of["replaced"]), *shares, fixed(of["kept"], 2),
                   percent(of["distinct"]), percent(of["top"]), *told])  # fmt: skip


if __name__ == "__main__":
    main()
