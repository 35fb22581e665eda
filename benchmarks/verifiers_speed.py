"""Verdicts per second on recorded rows: ours against the reference implementation (lm-eval's `ifeval` task code).

    pip install --no-deps lm-eval immutabledict
    python benchmarks/verifiers_speed.py ../shared/golden/ifeval_verdicts.parquet

One process, one core, CPU time, the same rows; both sides are warmed up first (models and profiles loaded), and each
computes the strict and the loose verdict of every row. The reference runs with langdetect's seed fixed to 0. Rows are
taken one by one, as the file has them: where several constraints share a response the gain is larger.
"""

import argparse
import importlib.util
import json
import logging
import os
import sys
import tempfile
import time
import types
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from ifrl_core.constraints.verdict import strict_and_loose
from ifrl_core.records import Constraint

WARM_UP = [
    ("length_constraints:number_sentences", {"num_sentences": 1, "relation": "at least"}),
    ("language:response_language", {"language": "en"}),
    ("change_case:capital_word_frequency", {"capital_frequency": 1, "capital_relation": "at least"}),
]


def reference_module():
    """lm-eval's ifeval code without the rest of the package, with the Punkt model where nltk looks for it."""
    import langdetect
    import punkt

    langdetect.DetectorFactory.seed = 0
    folder = Path(tempfile.mkdtemp())
    os.environ["NLTK_DATA"] = str(folder)
    model_dir = folder / "tokenizers" / "punkt_tab" / "english"
    model_dir.mkdir(parents=True)
    model = punkt.load_model("english")
    (model_dir / "collocations.tab").write_text("\n".join("\t".join(pair) for pair in model.collocations))
    (model_dir / "sent_starters.txt").write_text("\n".join(model.sent_starters))
    (model_dir / "abbrev_types.txt").write_text("\n".join(model.abbrev_types))
    (model_dir / "ortho_context.tab").write_text("\n".join(f"{k}\t{v}" for k, v in model.ortho_context.items()))
    import nltk.data

    nltk.data.path.insert(0, str(folder))
    base = Path(importlib.util.find_spec("lm_eval").submodule_search_locations[0])
    for name, path in (("lm_eval", base), ("lm_eval.tasks", base / "tasks")):
        module = types.ModuleType(name)
        module.__path__ = [str(path)]
        sys.modules[name] = module
    from lm_eval.tasks.ifeval import utils

    return utils


def reference_verdict(utils, row):
    example = utils.InputExample(
        key=0, instruction_id_list=[row["type"]], prompt=row["prompt"], kwargs=[dict(row["args"])]
    )
    strict = utils.test_instruction_following_strict(example, row["response"]).follow_instruction_list[0]
    loose = utils.test_instruction_following_loose(example, row["response"]).follow_instruction_list[0]
    return strict, loose


def our_verdict(row):
    (strict,), (loose,) = strict_and_loose([Constraint(row["type"], "hard", "", row["args"])], row["response"])
    return strict, loose


def timed(sides, rows):
    """For each side, CPU seconds per type and the verdicts. Sides take turns at each row, so that a busy machine and a
    warming cache weigh on both alike."""
    seconds, verdicts = [Counter() for _ in sides], [[] for _ in sides]
    for row in rows:
        for side, verdict in enumerate(sides):
            start = time.process_time()
            verdicts[side].append(verdict(row))
            seconds[side][row["type"]] += time.process_time() - start
    return seconds, verdicts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    logging.disable(logging.CRITICAL)
    path = parser.parse_args().rows
    rows = [
        {**row, "type": row["instruction_id"], "args": json.loads(row["kwargs"])}
        for row in pq.read_table(path).to_pylist()
    ]
    utils = reference_module()
    warm_up = [{"type": t, "args": a, "prompt": "p", "response": "Hello there. Fine DAY!"} for t, a in WARM_UP]
    sides = (our_verdict, lambda row: reference_verdict(utils, row))
    timed(sides, warm_up)
    (ours, theirs), (our_verdicts, their_verdicts) = timed(sides, rows)
    counts = Counter(row["type"] for row in rows)
    differing = Counter(row["type"] for row, a, b in zip(rows, our_verdicts, their_verdicts, strict=True) if a != b)
    print("| type | rows | reference, rows/s | ours, rows/s | ratio | verdicts that differ |")
    print("|---|---:|---:|---:|---:|---:|")
    for type_ in sorted(counts, key=lambda t: -theirs[t]):
        ratio = theirs[type_] / ours[type_]
        print(
            f"| {type_} | {counts[type_]} | {counts[type_] / theirs[type_]:,.0f} | {counts[type_] / ours[type_]:,.0f} "
            f"| {ratio:.1f} | {differing[type_]} |"
        )
    total, reference = sum(ours.values()), sum(theirs.values())
    print(
        f"| **all** | {len(rows)} | {len(rows) / reference:,.0f} | {len(rows) / total:,.0f} | **{reference / total:.1f}** "
        f"| {sum(differing.values())} |"
    )


if __name__ == "__main__":
    main()
