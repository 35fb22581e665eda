"""Pseudo-labels from the contrast between neighbouring rungs (paper, section 3.3), and the audit that needs no human.

For each k: (answer to Lk, ck) is a positive and (answer to Lk-1, ck) a negative. On hard constraints a rule knows the truth,
so the labels are held against it: by type and level, positives and negatives apart, with Wilson intervals. Nothing of the
audit changes the labels.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.evaluation.statistics import wilson
from ifrl_core.rollouts import TRAIN
from ifrl_core.schemas import LABELS, constraint_of
from ifrl_core.stage import Figures, Inputs, Work, stage
from ifrl_core.verifiers import answer_of, verdicts

ROWS_PER_SHARD = 20_000
Row = dict[str, Any]


@stage("labels", version=1)
def make_labels(config: LabelsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: prompts, rollouts. Columns: schemas.LABELS; figures: counts, drops by reason, and the audit."""
    dropped: Counter[str] = Counter()
    audit: Counter[tuple[str, int, int, bool]] = Counter()
    counts: Counter[str] = Counter()
    total = inputs["rollouts"].rows
    ladders = _ladders(inputs["prompts"], inputs["rollouts"], work.store)
    rows = itertools.chain.from_iterable(_ladder_labels(config, ladder, work.seed, dropped) for ladder in ladders)
    for index, batch in enumerate(_batched(rows, ROWS_PER_SHARD)):
        for row in batch:
            counts[f"{row['split']}_{'positive' if row['label'] else 'negative'}"] += 1
            if row["verdict"] is not None:
                audit[(row["constraint"]["type"], row["level"], row["label"], row["verdict"])] += 1
        work.writer.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist(batch, schema=LABELS))
        work.progress(min(total, (index + 1) * ROWS_PER_SHARD), total, "labels")
    return {"counts": dict(counts), "dropped": dict(dropped), "audit": audit_figures(audit)}


def audit_figures(counts: Counter[tuple[str, int, int, bool]]) -> Figures:
    """Agreement of pseudo-labels with rules from counts by (type, level, label, verdict).

    `agreement` is the share of hard labels that equal the verdict; positives and negatives are kept apart because the
    noise is one-sided. Each share is {"agree", "total", "rate", "low", "high"} with a 95% Wilson interval.
    """
    types = sorted({key[0] for key in counts})
    levels = sorted({key[1] for key in counts})
    return {
        "overall": _agreement(counts),
        "by_type": {name: _agreement(_only(counts, 0, name)) for name in types},
        "by_level": {str(level): _agreement(_only(counts, 1, level)) for level in levels},
    }


def _only(counts: Counter[Any], position: int, value: Any) -> Counter[Any]:
    return Counter({key: count for key, count in counts.items() if key[position] == value})


def _agreement(counts: Counter[tuple[str, int, int, bool]]) -> dict[str, Any]:
    def share(labels: tuple[int, ...]) -> dict[str, Any]:
        of = {key: count for key, count in counts.items() if key[2] in labels}
        agree, total = sum(n for key, n in of.items() if key[2] == int(key[3])), sum(of.values())
        if not total:
            return {"agree": 0, "total": 0, "rate": None, "low": None, "high": None}
        interval = wilson(agree, total)
        return {"agree": agree, "total": total, "rate": interval.mean, "low": interval.low, "high": interval.high}

    return {"agreement": share((0, 1)), "positives": share((1,)), "negatives": share((0,))}


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
                }


def _share(seed: int, instruction_id: str) -> float:
    """A number in [0, 1) that belongs to the instruction: new instructions never move old ones between splits."""
    digest = hashlib.sha256(f"labels\0{seed}\0{instruction_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _batched(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch
