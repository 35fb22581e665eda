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
from ifrl_core.report.text import signed
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
    written_as = write_report(ReportConfig(name="end", model="m"), refs, store)
    summary = run_summary(record_of(refs), store)
    measured = bool(config.hard_share) and levels != (5,)
    assert (summary["gain"] is not None) == measured
    page = store.read_bytes(written_as, "report.html").decode()
    line, markdown = _gain_line(summary), summary_markdown(summary, [])
    assert (
        ("No hard constraint was measured" in markdown) == ("No hard constraint was measured" in page) == (not measured)
    )
    seen = summary["soft_gain_by_instruments"]
    assert (seen is not None) == (config.hard_share == 0)
    if seen:
        assert f"{seen['mean']:+.1f} points" in line
        assert "soft constraints, by instruments" in line
        assert f"**{signed(seen['mean'])} points**" in markdown
        assert "Soft constraints, by instruments, held-out" in page
    else:
        assert line.startswith("not measured")
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
