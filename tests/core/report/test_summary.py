"""The run's summary: the keys scripts rely on, null for what a run did not reach, and the choice of the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.files import write_bytes
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.report.stage import ReportConfig, write_report
from ifrl_core.report.summary import run_summary, summary_markdown
from ifrl_core.stages.runs import load_record
from tests.core.report.small_run import Whole, small_run
from tests.core.report.test_benchmarks import section as section_of

FLOW_LABELS = {"reward_model": "reward-model", "before": "evaluation-before", "after": "evaluation-after"}


def record_of(refs: dict[str, ArtifactRef], name: str = "20260102-030405-demo-0000") -> dict[str, Any]:
    """The record that a flow leaves of these stages."""
    labels = {FLOW_LABELS.get(key, key): ref for key, ref in refs.items()}
    return {
        "run": name,
        "flow": "pipeline",
        "state": "completed" if "comparison" in refs else "failed",
        "seconds": 12.5,
        "peak_rss_mb": 1024.0,
        "stages": {label: {"seconds": 1.0, "cached": False, "compute_seconds": 0.9} for label in labels},
        "refs": {label: ref.model_dump() for label, ref in labels.items()},
        "config": {},
        "mlflow": {"uri": "sqlite:///mlflow.db", "run_id": "1", "url": None},
        "prefect": {"flow_run_id": "2", "url": None},
    }


def test_it_has_the_keys_that_scripts_rely_on(whole: Whole) -> None:
    store, refs = whole
    refs = {**refs, "report": write_report(ReportConfig(name="demo", model="m"), refs, store)}
    summary = json.loads(json.dumps(run_summary(record_of(refs), store), allow_nan=False))
    hard = store.manifest(refs["comparison"]).figures["hard"]["overall"]
    assert {key: summary["gain"][key] for key in ("mean", "low", "high")} == {
        k: hard[k] for k in ("mean", "low", "high")
    }
    assert summary["stages"]["evaluation-before"] == {"seconds": 1.0, "cached": False}
    audit = store.manifest(refs["labels"]).figures["audit"]["overall"]
    assert summary["label_agreement"] == audit["agreement"]["rate"]
    assert summary["label_agreement_detail"]["positives"] == audit["positives"]
    assert summary["reward_model"]["auc"] == store.manifest(refs["reward_model"]).figures["hard"]["auc"]
    assert summary["soft_gain"]["mean"] != summary["gain"]["mean"]
    assert summary["cut_off"]["share"]["after"] == store.manifest(refs["after"]).figures["truncated"]
    assert {row["type"] for row in summary["cut_off"]["types"]} == set(
        store.manifest(refs["comparison"]).figures["hard"]["by_type"]
    )
    assert summary["ifeval"] is None
    assert summary["general"] is None
    assert summary["rejected"] == 0
    assert (summary["seconds"], summary["peak_rss_mb"]) == (12.5, 1024.0)
    assert store.read_bytes(refs["report"], "report.html") == Path(summary["report"]["path"]).read_bytes()


@pytest.mark.parametrize("reached", [0, 1, 6, 7, 9])
def test_what_a_run_did_not_reach_is_null(whole: Whole, reached: int) -> None:
    store, refs = whole[0], dict(list(whole[1].items())[:reached])
    summary = run_summary(record_of(refs), store)
    assert summary["gain"] is None
    assert summary["report"] is None
    assert (summary["rejected"] is None) == ("seeds" not in refs)
    assert (summary["label_agreement"] is None) == ("labels" not in refs)
    assert (summary["reward_model"] is None) == ("reward_model" not in refs)
    assert "did not reach a comparison" in summary_markdown(summary, [])


def test_the_markdown_holds_the_gain_its_weaknesses_and_the_models(whole: Whole) -> None:
    store, refs = whole
    summary = run_summary(record_of(refs), store)
    version = {"name": "ifrl-policy", "version": "3", "alias": "challenger", "uri": "models:/ifrl-policy@challenger"}
    text = summary_markdown(summary, [version])
    assert f"{summary['gain']['mean']:+.1f}".replace("-", "−") in text
    assert "> **Positives among the pseudo-labels are mostly wrong.**" in text
    assert "| `models:/ifrl-policy@challenger` | 3 | `challenger` |" in text
    widths = {line.count("|") for line in text.split("\n\n")[-1].splitlines() if line.startswith("|")}
    assert len(widths) <= 1


def test_the_latest_run_is_the_default_and_others_go_by_name(store: ArtifactStore) -> None:
    for name in ("20260102-030405-demo-aaaa", "20260301-000000-demo-bbbb", "20251231-235959-demo-cccc"):
        write_bytes(store.fs, f"{store.folder('runs', name)}.json", json.dumps(record_of({}, name)).encode())
    assert load_record(store, None)["run"] == "20260301-000000-demo-bbbb"
    assert load_record(store, "20251231-235959-demo-cccc")["run"] == "20251231-235959-demo-cccc"
    scored = record_of({}, "20260401-000000-score-dddd") | {"flow": "score"}
    write_bytes(store.fs, f"{store.folder('runs', scored['run'])}.json", json.dumps(scored).encode())
    assert load_record(store, None)["run"] == "20260301-000000-demo-bbbb", "a scored file has no report"
    with pytest.raises(InputError, match="20260301-000000-demo-bbbb"):
        load_record(store, "../20260301-000000-demo-bbbb")


def test_a_store_without_runs_says_how_to_start_one(store: ArtifactStore) -> None:
    with pytest.raises(InputError, match="ifrl demo"):
        load_record(store, None)


def test_a_broken_record_is_named(store: ArtifactStore) -> None:
    write_bytes(store.fs, f"{store.folder('runs', 'torn')}.json", b'{"run": ')
    with pytest.raises(ArtifactError, match=r"torn\.json"):
        load_record(store, None)


def test_an_artifact_that_is_gone_is_an_error_not_a_null(store: ArtifactStore) -> None:
    refs = small_run(store)
    store.fs.rm(store.folder("labels", refs["labels"].fingerprint), recursive=True)
    with pytest.raises(ArtifactError, match="labels"):
        run_summary(record_of(refs), store)


def test_ifeval_has_both_sides_as_shares(store: ArtifactStore) -> None:
    refs = small_run(store, ifeval=6)
    summary = run_summary(record_of(refs), store)
    for side in ("before", "after"):
        measured = store.manifest(refs[f"judgements-{side}.ifeval"]).figures["metrics"]
        assert summary["ifeval"][side] == pytest.approx({name: metric["mean"] for name, metric in measured.items()})
    assert "IFEval, instruction level, strict" in summary_markdown(summary, [])


def test_general_ability_is_in_the_summary_when_measured(store: ArtifactStore) -> None:
    refs = small_run(store, general=40)
    summary = run_summary(record_of(refs), store)
    assert summary["general"] == store.manifest(refs["comparison"]).figures["general"]["overall"]
    assert "general problems, right answers" in summary_markdown(summary, [])


def test_benchmarks_are_summed_up_by_their_headline(whole: Whole) -> None:
    store, refs = whole
    section = section_of(["before", "after"], "cfbench", useless=True)
    writer = store.writer("report", 5, "f" * 64, {}, {})
    writer.write_json("report.json", {"benchmarks": [section]})
    summary = run_summary(record_of({**refs, "report": writer.commit({})}), store)
    found = summary["benchmarks"]["cfbench"]
    assert found["flags"] == ["This judge is no better than always saying yes"]
    assert found["metrics"]["isr"]["after"] == section["metrics"][0]["figures"][1]
    assert found["metrics"]["isr"]["change"] == section["metrics"][0]["changes"][1]
    text = summary_markdown(summary, [])
    assert f"| cfbench, isr ({found['judge']}) | {100 * found['metrics']['isr']['before']['mean']:.1f}% → " in text
