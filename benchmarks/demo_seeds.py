"""A recipe as a whole over several random seeds, each a run of the command line in a folder of its own.

    python benchmarks/demo_seeds.py demo-cpu FOLDER --seeds 0,1,2 [--set policy.max_steps=20 ...]

The recipe's seed draws everything anew: which seeds are held out, constraints, rollouts, training. A row is one run, from its
`ifrl report --json`: gain on held-out instructions in points with its 95% interval, shares in per cent before and after,
seconds and peak memory of the run as a whole. A run that FOLDER has already is read, not repeated.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from policy_ablation import both, print_row

from ifrl_core.report.text import fixed, interval, signed

HEAD = ("seed", "hard constraints", "gain", "soft gain", "trip-wires", "task dropped", "cut off", "words", "s", "GiB")
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    print_row(HEAD)
    print_row(["---"] * len(HEAD))
    gains = []
    for seed in arguments.seeds:
        summary = run(arguments.recipe, arguments.folder / f"seed-{seed}", [f"seed={seed}", *arguments.set])
        print_row(cells(seed, summary))
        gains.append(summary["gain"]["mean"])
    if len(gains) > 1:
        print_row(["all", "", f"**{signed(fmean(gains))} ± {fixed(stdev(gains))}**", *[""] * (len(HEAD) - 3)])


def run(recipe: str, root: Path, overrides: list[str]) -> Figures:
    """The summary of a whole run whose store is `root`."""
    told = root / "summary.json"
    if not told.exists():
        environment = {**os.environ, "IFRL_ROOT": str(root.resolve())}
        ifrl = [sys.executable, "-m", "flows.cli.main"]
        setting = [part for override in overrides for part in ("--set", override)]
        root.mkdir(parents=True, exist_ok=True)
        with (root / "run.log").open("a") as log:
            subprocess.run(
                [*ifrl, "run", recipe, *setting], env=environment, stdout=log, stderr=subprocess.STDOUT, check=True
            )
        made = subprocess.run(
            [*ifrl, "report", "--json"], env=environment, stdout=subprocess.PIPE, check=True, text=True
        )
        told.write_text(made.stdout)
    summary: Figures = json.loads(told.read_text())
    return summary


def cells(seed: int, summary: Figures) -> list[str]:
    gain, soft, answers = summary["gain"], summary["soft_gain"], summary["answers"]
    return [
        str(seed),
        both(gain),
        f"{signed(gain['mean'])} {interval(gain['low'], gain['high'])}",
        f"{signed(soft['mean'])} {interval(soft['low'], soft['high'])}" if soft else "",
        *(both(answers[name]) for name in ("hacked", "task_dropped", "truncated", "length_words")),
        fixed(summary["seconds"], 0),
        fixed(summary["peak_rss_mb"] / 1024),
    ]


if __name__ == "__main__":
    main()
