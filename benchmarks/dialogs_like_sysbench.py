"""Dialogs of five turns in the shape of SysBench: a system message with three rules for all answers, which no turn repeats.

    python benchmarks/dialogs_like_sysbench.py OUT.jsonl [--rows 10]
    ifrl eval --model M --benchmark sysbench=OUT.jsonl --set evaluation.judge.model=J -o FOLDER
    python benchmarks/dialogs_like_sysbench.py OUT.jsonl --by-rules FOLDER/sysbench-*.jsonl

The criteria of each turn are constraints of IFEval's types, so that rules know what the judge is asked: the last command
grades the same answers by them, with SysBench's own figures. The user's turns are built-in plain seeds, which no recipe on
conversations trains on. They are no benchmark: they show the way from a policy to the table, and what a judge's figures are
worth.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from dialogs_like_multi_if import TYPES

from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.verdict import verdicts
from ifrl_core.evaluation.benchmarks.replies import NOT_READ
from ifrl_core.evaluation.benchmarks.sysbench import SYSBENCH
from ifrl_core.evaluation.comparison import gain
from ifrl_core.evaluation.suite.benchmark import Graded, Item, Terms, settled
from ifrl_core.evaluation.suite.documents import documents
from ifrl_core.evaluation.suite.score import GradedItem, figures
from ifrl_core.records import Constraint, Row, constraint_of, constraint_row
from ifrl_core.report.text import fixed, interval, signed
from ifrl_core.seeds.read import read_seeds
from ifrl_core.seeds.split import at_most

TURNS, RULES, TYPE = 5, 3, "格式约束"  # the type as SysBench names it: of format
SYSTEM = "You are a helpful assistant. These rules hold for all of your answers:"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--by-rules", type=Path, nargs="+", metavar="ANSWERS")
    arguments = parser.parse_args()
    if arguments.by_rules:
        print_by_rules(arguments.out, arguments.by_rules)
        return
    seeds, _ = read_seeds(["builtin:seeds"], builtin=False)
    texts = [seed.text for seed in at_most(seeds, arguments.rows * TURNS, seed=0)]
    rows = [row_of(number, texts[number * TURNS :][:TURNS]) for number in range(arguments.rows)]
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row_of(number: int, texts: Sequence[str]) -> Row:
    """A dialog in SysBench's fields; `constraints`, which its reader passes over, say what the criteria are by rules."""
    drawn = sample_constraints(" ".join(texts), RULES, random.Random(number), types=TYPES, hard_share=1, max_words=48)
    criteria = [{"id": place, "content": item.text, "type": TYPE} for place, item in enumerate(drawn, start=1)]
    return {
        "system_id": number,
        "system_prompt": " ".join([SYSTEM, *(item.text for item in drawn)]),
        "turns": [{"prompt": text, "alignment": "align", "criteria": criteria} for text in texts],
        "constraints": [constraint_row(item) for item in drawn],
    }


def print_by_rules(dialogs: Path, files: Sequence[Path]) -> None:
    """Of each file of answers SysBench's figures by the judge and by rules, and how often the two say the same; then what the
    last file has more of, by rules, than the first."""
    print("| answers | graded by | CSR | ISR | SSR | CSR by turn | unscored | same as rules |")
    print("|---|---|---|---|---|---|---|---|")
    sides: list[list[GradedItem]] = []
    items = {item.id: item for item in SYSBENCH.read(str(dialogs))}
    rules = {
        str(row["system_id"]): [constraint_of(item) for item in row["constraints"]] for row in documents(str(dialogs))
    }
    for file in files:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        ruled = [by_rules(items[line["id"]], line["responses"], rules[line["id"]]) for line in lines]
        judged = [Graded(line["marks"], line["notes"], line["verdicts"]) for line in lines]
        for who, graded in (("judge", judged), ("rules", ruled)):
            rows = [
                GradedItem(items[line["id"]], line["responses"][-1], one)
                for line, one in zip(lines, graded, strict=True)
            ]
            print_row(file.stem, who, figures(SYSBENCH, rows), verdicts_of(graded), verdicts_of(ruled))
        sides.append(rows)
    change = gain((sides[0], sides[-1]), "csr")
    print(f"\nCSR by rules: {signed(change['mean'])} {interval(change['low'], change['high'])}")


def by_rules(item: Item, answers: Sequence[str], constraints: Sequence[Constraint]) -> Graded:
    """SysBench's grading with the verdicts of rules in the place of a judge's."""
    with SYSBENCH.grade(Terms()) as grade:
        return settled(grade(item, answers), lambda _: [verdicts(constraints, answer) for answer in answers])


def verdicts_of(graded: Sequence[Graded]) -> list[str]:
    return [line["verdict"] for one in graded for line in one.verdicts]


def print_row(name: str, who: str, found: Mapping[str, Any], said: Sequence[str], truth: Sequence[str]) -> None:
    read = [one == other for one, other in zip(said, truth, strict=True) if one != NOT_READ]
    cells = [shown(found["metrics"][metric.name], metric.unit) for metric in SYSBENCH.metrics]
    by_turn = [
        fixed(of["csr"]["mean"] and 100 * of["csr"]["mean"], 0) for of in found["slices"].get("turn", {}).values()
    ]
    cells += [" ".join(by_turn) or "–", str(len(said) - len(read)), fixed(100 * fmean(read), 0) if read else "–"]
    print("| " + " | ".join([name, who, *cells]) + " |", flush=True)


def shown(figure: Mapping[str, Any], unit: str) -> str:
    if figure["mean"] is None:
        return "–"
    scale, digits = (1, 2) if unit == "turns" else (100, 1)
    mean, *ends = (scale * figure[name] for name in ("mean", "low", "high"))
    return f"{fixed(mean, digits)} [{', '.join(fixed(end, digits) for end in ends)}]"


if __name__ == "__main__":
    main()
