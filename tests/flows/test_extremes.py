"""Recipes at their ends: a run that measured little still ends with a page, a summary and a decision."""

from pathlib import Path
from typing import Any

import pytest

from flows.audit import agreement_in_words, audit_markdown, type_rows
from flows.cli.run import _gain_line
from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import InstructionsConfig, RetrainConfig
from ifrl_core.evaluation import held_out
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.score import figures
from ifrl_core.promotion.gate import decide
from ifrl_core.report.stage import ReportConfig, write_report
from ifrl_core.report.summary import run_summary, summary_markdown
from tests.core.report.small_run import small_run
from tests.core.report.test_summary import record_of


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ({"hard_share": 0, "types": ("tone:", "style:", "register:", "audience:", "persona:")}, (1, 3)),
        ({"min_constraints": 1, "max_constraints": 1, "hard_share": 1}, (5,)),
    ],
    ids=["no hard constraint", "no soft constraint, one level, nothing held out"],
)
def test_it_ends_without_a_traceback(tmp_path: Path, written: dict[str, Any], levels: tuple[int, ...]) -> None:
    store = ArtifactStore(str(tmp_path))
    config = InstructionsConfig(max_words=50, **written)
    refs = small_run(store, train=4, held_out=3, written=config, levels=levels)
    write_report(ReportConfig(name="end", model="m"), refs, store)
    summary = run_summary(record_of(refs), store)
    measured = bool(config.hard_share) and levels != (5,)
    assert (summary["gain"] is not None) == measured
    said = [_gain_line(summary["gain"]), summary_markdown(summary, [])]
    assert all("No hard constraint was measured" in text or "not measured" in text for text in said) or measured
    comparison = store.manifest(refs["comparison"]).figures
    assert not decide(comparison, RetrainConfig()).promote
    assert {"before", "after"} <= comparison["hard"]["overall"].keys()
    labels = store.manifest(refs["labels"]).figures
    type_rows(labels["audit"])
    audit = audit_markdown("end", labels, [])
    assert ("no label is of a hard constraint" in audit) == (config.hard_share == 0)
    agreement_in_words(labels["audit"]["overall"]["agreement"])


def test_nothing_needs_answers() -> None:
    held_out.satisfaction([])
    held_out.compared([], [])
    for benchmark in BENCHMARKS.values():
        figures(benchmark, [])
