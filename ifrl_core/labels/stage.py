"""Pseudo-labels from the contrast between neighbouring rungs (paper, section 3.3).

For each k: (answer to Lk, ck) is a positive and (answer to Lk-1, ck) a negative; a recipe may take the rungs further up and
down too, which were asked for ck, or not, just as well. On hard constraints a rule knows the truth,
so the labels are held against it (label_audit).
"""

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.verdict import verdicts
from ifrl_core.constraints.verifiers.answer import answer_of
from ifrl_core.labels.audit import Cell, agreement_by_type, audit_figures, cell_of
from ifrl_core.labels.filters import (
    CLASS_REASON,
    TYPE_REASON,
    Candidate,
    Contrast,
    Tally,
    class_shares,
    kept,
    types_without_contrast,
)
from ifrl_core.records import LABELS, constraint_of
from ifrl_core.rollouts.stage import TRAIN
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import share_by_hash

ROWS_PER_SHARD = 20_000
Row = dict[str, Any]


@stage("labels", version=5)
def make_labels(config: LabelsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: prompts, rollouts. Columns: schemas.LABELS; figures: counts, drops by reason, filters, the audit (of
    all labels before rules choose among them) and `training_audit` (of those that are trained on)."""
    tally = Tally()
    counts_before = _training_counts(config, inputs, work)
    left_out = _types_left_out(config, counts_before)
    shares = class_shares(counts_before) if config.balance else {}
    trained_on: Counter[Cell] = Counter()
    counts: Counter[str] = Counter()
    total = inputs["rollouts"].rows
    members = kept(config, make_contrasts(config, inputs, work.store, work.seed), tally)
    taken = _chosen_for_training(members, left_out, shares, tally, work.seed)
    for index, batch in enumerate(_batched(taken, ROWS_PER_SHARD)):
        for member in batch:
            row = member.row
            counts[f"{row['split']}_{'positive' if row['label'] else 'negative'}"] += 1
            if row["split"] == "train":
                trained_on[cell_of(row, member.sample)] += 1
        rows = [member.row for member in batch]
        work.writer.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist(rows, schema=LABELS))
        work.progress(min(total, (index + 1) * ROWS_PER_SHARD), total, "labels")
    return {
        "counts": dict(counts),
        "dropped": dict(tally.dropped),
        "audit": audit_figures(tally.audited["train"] + tally.audited["validation"]),
        "training_audit": agreement_by_type(trained_on),
        "filters": tally.figures(config),
        "types_without_contrast": left_out,
    }


def make_contrasts(config: LabelsConfig, inputs: Inputs, store: ArtifactStore, seed: int) -> Iterator[Contrast]:
    """Every positive with its negatives, before any filter, ladder by ladder. inputs: prompts, rollouts."""
    for ladder in _ladders(inputs["prompts"], inputs["rollouts"], store):
        yield from _ladder_contrasts(config, ladder, seed)


def _training_counts(config: LabelsConfig, inputs: Inputs, work: Work) -> Counter[Cell]:
    """The training labels that filters leave, by a first pass over the rollouts, where the config needs to know them."""
    if config.drop_types_without_contrast is None and not config.balance:
        return Counter()
    members = kept(config, make_contrasts(config, inputs, work.store, work.seed), Tally())
    return Counter(cell_of(member.row, member.sample) for member in members if member.row["split"] == "train")


def _types_left_out(config: LabelsConfig, counts: Counter[Cell]) -> dict[str, Figures]:
    threshold = config.drop_types_without_contrast
    return {} if threshold is None else types_without_contrast(counts, threshold)


def _chosen_for_training(
    members: Iterable[Candidate],
    left_out: Container[str],
    shares: Mapping[tuple[str, int], float],
    tally: Tally,
    seed: int,
) -> Iterator[Candidate]:
    """Without the training labels of the types left out, and with a share of each (type, label), drawn by hash.

    Validation keeps all, so that the RM is still measured on them.
    """
    for member in members:
        row = member.row
        type_, trained_on = row["constraint"]["type"], row["split"] == "train"
        if trained_on and type_ in left_out:
            tally.dropped[TYPE_REASON] += 1
        elif trained_on and share_by_hash("labels", seed, row["label_id"]) >= shares.get((type_, row["label"]), 1.0):
            tally.dropped[CLASS_REASON] += 1
        else:
            yield member


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


def _ladder_contrasts(config: LabelsConfig, ladder: list[tuple[Row, list[Row]]], seed: int) -> Iterator[Contrast]:
    instruction_id = ladder[0][0]["instruction_id"]
    split = "validation" if share_by_hash("labels", seed, instruction_id) < config.validation_share else "train"
    for level, (prompt, answers) in enumerate(ladder[1:], 1):
        lowest = 0 if config.negatives == "all_lower" else level - 1
        for sample in _samples(config, prompt["constraints"], answers):
            lower = (ladder[rung][1][sample] for rung in range(level - 1, lowest - 1, -1))
            negatives = tuple(_candidate(answer, prompt, 0, split) for answer in lower)
            yield Contrast(_candidate(answers[sample], prompt, 1, split), negatives)
        for above, others in ladder[level + 1 :] if config.positive_rungs == "all_upper" else ():
            newest_last = [*above["constraints"][: level - 1], *above["constraints"][level:], prompt["constraints"][-1]]
            for sample in _samples(config, newest_last, others):
                yield Contrast(_candidate(others[sample], prompt, 1, split), ())


def _samples(config: LabelsConfig, constraints: list[Row], answers: list[Row]) -> list[int]:
    """The samples whose answers are positives. Best of n: the last constraint first, then the most of the rung's others.

    The best is chosen by rules, so for a soft constraint it is the sample that follows the hard ones before it.
    """
    if config.positives == "all":
        return list(range(len(answers)))

    def satisfied(sample: int) -> tuple[bool, int]:
        found = verdicts([constraint_of(row) for row in constraints], _answer(answers[sample]))
        return found[-1] is True, sum(verdict is True for verdict in found)

    return [max(range(len(answers)), key=satisfied)]  # of equals the first


def _candidate(rollout: Row, prompt: Row, label: int, split: str) -> Candidate:
    constraint, answer = prompt["constraints"][-1], _answer(rollout)
    row = {
        "label_id": f"{rollout['rollout_id']}-c{prompt['level']}",
        "rollout_id": rollout["rollout_id"],
        "constraint": constraint,
        "response": answer,
        "label": label,
        "level": prompt["level"],
        "split": split,
        "verdict": verdicts([constraint_of(constraint)], answer)[0],
        "instruction_id": prompt["instruction_id"],
    }
    return Candidate(row, rollout["text"], rollout["finish_reason"], rollout["sample"])


def _answer(rollout: Row) -> str:
    return answer_of(rollout["text"]) or ""


def _batched(members: Iterator[Candidate], size: int) -> Iterator[list[Candidate]]:
    while batch := list(itertools.islice(members, size)):
        yield batch
