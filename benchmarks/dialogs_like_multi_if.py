"""Dialogs of three turns in the shape of Multi-IF, each turn with one constraint more.

    python benchmarks/dialogs_like_multi_if.py OUT.jsonl [--rows 20]
    ifrl eval --model M --benchmark multi-if=OUT.jsonl

They are built-in plain seeds, which no recipe on conversations trains on, with constraints of IFEval's types that can be met
together within 48 words. They are no benchmark: they say whether what was learnt on given histories carries over to histories
that the model wrote itself.
"""

import argparse
import json
import random
from pathlib import Path

from ifrl_core.constraints.catalog.hard import ifeval_format, ifeval_words
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.records import Constraint, Row
from ifrl_core.seeds.read import SeedText, read_seeds
from ifrl_core.seeds.split import at_most

WHOLE = (
    "combination:",
    "language:",
    "change_case:",
    "startend:",
    "length_constraints:n",
)  # forms that turns cannot add up
SMALL = ("length_constraints:number_words", "length_constraints:number_sentences")
TYPES = [
    type_.id
    for type_ in (*ifeval_words.TYPES, *ifeval_format.TYPES)
    if type_.id in SMALL or not type_.id.startswith(WHOLE)
]
FURTHER = "Answer again, keep to what I have asked for so far, and mind one thing more: "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=20)
    arguments = parser.parse_args()
    seeds, _ = read_seeds(["builtin:seeds"], builtin=False)
    rows = [row_of(seed) for seed in at_most(seeds, arguments.rows, seed=0)]
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row_of(seed: SeedText) -> Row:
    """Constraints add up over the turns, as their ids and arguments do in the row."""
    drawn = sample_constraints(seed.text, 3, random.Random(seed.seed_id), types=TYPES, hard_share=1, max_words=48)
    row: Row = {"key": seed.seed_id, "language": "English"}
    for turn, constraint in enumerate(drawn, start=1):
        asked = f"{seed.text} {constraint.text}" if turn == 1 else f"{FURTHER}{constraint.text}"
        row |= _turn(turn, asked, drawn[:turn])
    return row


def _turn(turn: int, asked: str, so_far: list[Constraint]) -> Row:
    return {
        f"turn_{turn}_prompt": json.dumps({"role": "user", "content": asked}),
        f"turn_{turn}_instruction_id_list": json.dumps([constraint.type for constraint in so_far]),
        f"turn_{turn}_kwargs": json.dumps([json.dumps(dict(constraint.args)) for constraint in so_far]),
    }


if __name__ == "__main__":
    main()
