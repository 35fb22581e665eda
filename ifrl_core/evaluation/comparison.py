"""Before against after on every benchmark that both evaluations hold, in percentage points, after minus before."""

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.evaluation.asked_table import BENCHMARKS
from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


@stage("comparison", version=4, inputs=("before", "after"), config=lambda recipe: NoConfig())
def compare(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: before, after (evaluations of the same prompts)."""
    figures: Figures = {}
    for benchmark in BENCHMARKS:
        before, after = (_rows_of(benchmark.table, inputs[side], work.store) for side in ("before", "after"))
        if before is not None and after is not None:
            figures |= benchmark.compared(before, after)
    work.writer.write_json("comparison.json", figures)
    return figures


def _rows_of(table: str, ref: ArtifactRef, store: ArtifactStore) -> list[Row] | None:
    """The rows of a table; None where the evaluation was not asked for it."""
    if table not in {shard.name for shard in store.manifest(ref).shards}:
        return None
    rows: list[Row] = store.read_table(ref, table).to_pylist()
    return rows
