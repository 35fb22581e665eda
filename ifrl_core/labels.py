"""Pseudo-labels from the contrast between neighbouring rungs (paper, section 3.3).

For each k: (answer to Lk, ck) is a positive and (answer to Lk-1, ck) a negative. On hard constraints a rule knows the truth,
so the labels are held against it (label_audit).
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.label_audit import Cell, audit_figures, cell_of
from ifrl_core.rollouts import TRAIN
from ifrl_core.schemas import LABELS, constraint_of
from ifrl_core.stage import Figures, Inputs, Work, stage
from ifrl_core.verifiers import answer_of, verdicts

ROWS_PER_SHARD = 20_000
Row = dict[str, Any]


@stage("labels", version=2)
def make_labels(config: LabelsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: prompts, rollouts. Columns: schemas.LABELS; figures: counts, drops by reason, and the audit."""
    dropped: Counter[str] = Counter()
    audit: Counter[Cell] = Counter()
    counts: Counter[str] = Counter()
    total = inputs["rollouts"].rows
    ladders = _ladders(inputs["prompts"], inputs["rollouts"], work.store)
    rows = itertools.chain.from_iterable(_ladder_labels(config, ladder, work.seed, dropped) for ladder in ladders)
    for index, batch in enumerate(_batched(rows, ROWS_PER_SHARD)):
        for row in batch:
            counts[f"{row['split']}_{'positive' if row['label'] else 'negative'}"] += 1
            audit[cell_of(row, row.pop("sample"))] += 1
        work.writer.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist(batch, schema=LABELS))
        work.progress(min(total, (index + 1) * ROWS_PER_SHARD), total, "labels")
    return {"counts": dict(counts), "dropped": dict(dropped), "audit": audit_figures(audit)}


def _ladders(
    prompts: ArtifactRef, rollouts: ArtifactRef, store: ArtifactStore
) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Ladder by ladder: [(prompt of L0, its answers), (prompt of L1, ...), ...]. Both tables share one order."""
    answers = itertools.groupby(store.rows(rollouts), key=lambda row: row["prompt_id"])
    asked = store.rows(prompts, prefix=TRAIN)
    for _, ladder in itertools.groupby(asked, key=lambda row: row["instruction_id"]):
        rungs = []
        for prompt in ladder:
            prompt_id, group = next(answers)
            assert prompt_id == prompt["prompt_id"], f"rollouts are not in the order of the prompts at {prompt_id}"
            rungs.append((prompt, list(group)))
        yield rungs


def _ladder_labels(
    config: LabelsConfig, ladder: list[tuple[Row, list[Row]]], seed: int, dropped: Counter[str]
) -> Iterator[Row]:
    instruction_id = ladder[0][0]["instruction_id"]
    split = "validation" if _share(seed, instruction_id) < config.validation_share else "train"
    for (_, lower), (prompt, upper) in itertools.pairwise(ladder):
        level, constraint = prompt["level"], prompt["constraints"][-1]
        for negative, positive in zip(lower, upper, strict=True):
            if config.drop_identical and negative["text"] == positive["text"]:
                dropped["identical answers"] += 2
                continue
            for label, rollout in ((1, positive), (0, negative)):
                answer = answer_of(rollout["text"]) or ""
                if config.drop_empty and not answer.strip():
                    dropped["empty answer"] += 1
                    continue
                yield {
                    "label_id": f"{rollout['rollout_id']}-c{level}",
                    "rollout_id": rollout["rollout_id"],
                    "constraint": constraint,
                    "response": answer,
                    "label": label,
                    "level": level,
                    "split": split,
                    "verdict": verdicts([constraint_of(constraint)], answer)[0],
                    "instruction_id": instruction_id,
                    "sample": rollout["sample"],  # for the audit; no column of the table
                }


def _share(seed: int, instruction_id: str) -> float:
    """A number in [0, 1) that belongs to the instruction: new instructions never move old ones between splits."""
    digest = hashlib.sha256(f"labels\0{seed}\0{instruction_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _batched(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch
