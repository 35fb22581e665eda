"""The stage that makes pseudo-labels: contrasts, filters, selection and the audit, in one pass over the ladders.

A first pass comes before where types without contrast are left out. What is counted of whom: see the package.
"""

import itertools
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.identity import Judging, judging, rules_of
from ifrl_core.labels.audit import Cell, agreement_by_type, audit_figures, balanced_estimate
from ifrl_core.labels.contrasts import Candidate, make_contrasts
from ifrl_core.labels.filters import Tally, kept
from ifrl_core.labels.selection import selected, types_without_contrast
from ifrl_core.records import LABELS
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

ROWS_PER_SHARD = 20_000


class LabelsPlan(LabelsConfig, Judging):
    """The section, and the types whose rules audit the labels."""


@stage(
    "labels",
    version=6,
    title="Pseudo-labels",
    inputs=("prompts", "rollouts"),
    config=lambda recipe: judging(LabelsPlan, recipe.labels, recipe),
    content=rules_of,
)
def make_labels(config: LabelsPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: prompts, rollouts. Columns: records.LABELS; figures: `counts` of the rows, `dropped` by reason, and what the
    package says of candidates (`filters`), audited (`audit`) and trained labels (`training_audit`)."""
    tally = Tally()
    left_out = _types_left_out(config, inputs, work)
    trained: Counter[Cell] = Counter()
    counts: Counter[str] = Counter()
    total = inputs["rollouts"].rows
    labels = selected(_filtered(config, inputs, work, tally), left_out, tally)
    for index, part in enumerate(_parts(labels, ROWS_PER_SHARD)):
        rows = [label.row for label in part]
        counts.update(f"{row['split']}_{'positive' if row['label'] else 'negative'}" for row in rows)
        trained.update(label.cell for label in part if label.for_training)
        work.writer.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist(rows, schema=LABELS))
        work.progress(min(total, (index + 1) * ROWS_PER_SHARD), total, "labels")
    return {
        "counts": dict(counts),
        "dropped": dict(tally.dropped),
        "audit": audit_figures(tally.audited) | {"balanced": balanced_estimate(tally.audited_of.values())},
        "training_audit": agreement_by_type(trained),
        "filters": tally.figures(config),
        "types_without_contrast": left_out,
    }


def _types_left_out(config: LabelsConfig, inputs: Inputs, work: Work) -> dict[str, Figures]:
    threshold = config.drop_types_without_contrast
    if threshold is None:
        return {}
    filtered = _filtered(config, inputs, work, Tally())
    return types_without_contrast(Counter(label.cell for label in filtered if label.for_training), threshold)


def _filtered(config: LabelsConfig, inputs: Inputs, work: Work, tally: Tally) -> Iterator[Candidate]:
    return kept(config, make_contrasts(config, inputs, work.store, work.seed), tally)


def _parts(labels: Iterator[Candidate], size: int) -> Iterator[list[Candidate]]:
    while part := list(itertools.islice(labels, size)):
        yield part
