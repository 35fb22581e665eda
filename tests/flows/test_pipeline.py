"""The whole pipeline, tiny, on two layers of the model: what it leaves, a second run, what one change recomputes."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.models.dtype import usable_dtype
from ifrl_core.models.stage import import_model
from ifrl_core.stages import registry
from tests.core.artifacts.makers import flip_byte
from tests.flows.forked import call_forked
from tests.flows.workplace import REPO, Workplace
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.server]

STAGES = [
    "seeds",
    "model",
    "instructions",
    "prompts",
    "rollouts",
    "labels",
    "general-problems",
    "reward-model",
    "policy",
]
ASKED = [
    f"{stage}.{label}"
    for label, rows in (("ifeval", "benchmark"), ("general", "general-rows"))
    for stage in (rows, "answers-before", "judgements-before", "answers-after", "judgements-after")
]
LATER = ["evaluation-before", "evaluation-after", *ASKED, "comparison", "soft-audit", "report"]


@pytest.fixture(scope="module")
def place(whole_run: Workplace) -> Workplace:
    return whole_run


@pytest.fixture(scope="module")
def first(place: Workplace) -> dict[str, Any]:
    """The record of the first run, which found an empty store."""
    return place.records()[0]


def cached(record: dict[str, Any]) -> dict[str, bool]:
    return {name: stage["cached"] for name, stage in record["stages"].items()}


def test_every_stage_ran_in_the_order_of_the_method(first: dict[str, Any]) -> None:
    assert list(first["stages"]) == STAGES + LATER
    assert first["state"] == "completed"


def test_manifests_say_what_made_them(place: Workplace, first: dict[str, Any]) -> None:
    store = ArtifactStore(str(place.home / "store"))
    told = {label: store.manifest(ArtifactRef.model_validate(ref)).provenance for label, ref in first["refs"].items()}
    assert all(made["libraries"]["transformers"] and made["machine"]["processor"] for made in told.values())
    for stage, kind in (("policy", "GRPOConfig"), ("reward-model", "TrainingArguments")):
        training = told[stage]["training"]
        assert (training["weights"], training["autocast"], training["processes"]) == ("float32", "bfloat16", 1), kind
        assert training["arguments"]["optim"] == "adamw_torch_fused"
        assert "output_dir" not in training["arguments"]
    assert told["policy"]["training"]["arguments"]["loss_type"] == "dapo"
    dtypes = {shard["dtype"] for shard in told["rollouts"]["shards"]} | {told["evaluation-before"]["engine"]["dtype"]}
    scoring = {
        told["evaluation-after"]["scoring"],
        *(told[name]["training"]["scoring"] for name in ("policy", "reward-model")),
    }
    assert dtypes | scoring == {usable_dtype("bfloat16", "cpu")}


def test_the_summary_keeps_its_contract(place: Workplace) -> None:
    summary = place.summary()
    assert set(summary["gain"]) >= {"mean", "low", "high"}
    assert summary["gain"]["low"] <= summary["gain"]["mean"] <= summary["gain"]["high"]
    assert set(summary["stages"]) == {*STAGES, *LATER}
    assert "auc" in summary["reward_model"]
    for side in ("before", "after"):
        assert {"prompt_strict", "prompt_loose", "inst_strict", "inst_loose"} <= set(summary["ifeval"][side])
    assert summary["rejected"] == 0
    assert 0 < summary["peak_rss_mb"] < 8 * 1024


def test_the_last_lines_say_where_things_are(place: Workplace) -> None:
    lines = (place.home / "stdout").read_text().splitlines()[-8:]
    report = next(line.split()[-1] for line in lines if line.startswith("report"))
    assert Path(report).read_text().startswith("<!")
    assert any("models:/ifrl-policy@challenger" in line for line in lines)
    assert any(line.startswith("mlflow") for line in lines)


def test_mlflow_holds_a_parent_a_child_per_stage_and_the_fingerprints(place: Workplace) -> None:
    record = place.record()
    with sqlite3.connect(place.home / "mlflow.db") as db:
        runs = dict(db.execute("select run_uuid, status from runs").fetchall())
        parents = dict(db.execute("select run_uuid, value from tags where key='mlflow.parentRunId'").fetchall())
        fingerprints = {value for (value,) in db.execute("select value from tags where key='fingerprint'")}
        live = {key for (key,) in db.execute("select distinct key from metrics where step > 0")}
        aliases = set(db.execute("select name, alias from registered_model_aliases"))
        of_versions = {key for (key,) in db.execute("select metric_name from logged_model_metrics")}
    parent = record["mlflow"]["run_id"]
    assert set(runs.values()) == {"FINISHED"}
    assert sum(value == parent for value in parents.values()) == len(STAGES + LATER)
    assert fingerprints == {ref["fingerprint"] for ref in record["refs"].values()}
    assert any(key.startswith("reward/") for key in live)
    assert aliases == {("ifrl-policy", "challenger"), ("ifrl-reward-model", "challenger")}
    assert {"satisfaction/hard/after", "satisfaction/soft/after", "answers/hacked/change"} <= of_versions


def test_again_nothing_is_computed_and_the_log_says_so(place: Workplace, tiny: str, ifeval: tuple[str, ...]) -> None:
    before = place.record()
    done = place.run("run", tiny, *ifeval)
    assert done.returncode == 0, done.stderr
    after = place.record()
    assert after["run"] != before["run"]
    assert all(cached(after).values())
    assert after["refs"] == before["refs"]
    for stage in (*STAGES, *LATER):
        assert f"{stage}: from cache" in done.stdout + done.stderr
    with sqlite3.connect(place.home / "mlflow.db") as db:
        assert db.execute("select count(*) from model_versions").fetchone() == (2,)


def test_the_models_that_a_run_prints_are_found_on_default_settings(
    place: Workplace, tiny: str, tmp_path: Path
) -> None:
    """Where a model URI is taken: by `ifrl score`, which loads it as `ifrl serve` does, and by a recipe."""
    stray = REPO / "mlflow.db"
    assert not stray.exists(), f"{stray} is of another test, or of you: remove it"
    (tmp_path / "in.jsonl").write_text(json.dumps({"response": "Blue.", "constraint": "Use no comma."}) + "\n")
    done = place.run("score", str(tmp_path / "in.jsonl"), "--reward-model", "models:/ifrl-reward-model@challenger")
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads((tmp_path / "in-scored.jsonl").read_text())["probability"] < 1
    done = place.run("score", str(tmp_path / "in.jsonl"), "--reward-model", "models:/ifrl-policy@champion")
    assert done.returncode == 1
    assert "is not in MLflow's registry, which holds models:/ifrl-policy@challenger" in done.stderr
    assert "Traceback" not in done.stderr
    score_by_shards(place, tmp_path)
    looked = call_forked(look_at_model, [tiny, "models:/ifrl-policy@challenger"], place.env, timeout_s=PATIENCE_S)
    assert looked.stdout.strip() == "models:/ifrl-policy/1", looked.stderr
    assert not stray.exists()


def score_by_shards(place: Workplace, folder: Path) -> None:
    """A file of more rows than a shard: a run of mapped tasks, whose scores are those of the plain command."""
    rows = [{"response": f"Blue {n}.", "constraint": "Use no comma."} for n in range(5)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("score", str(folder / "rows.jsonl"), "--reward-model", "models:/ifrl-reward-model@challenger", "--json")
    plain = place.run(*command, "-o", str(folder / "plain.jsonl"))
    wide = place.run(
        *command, "-o", str(folder / "wide.jsonl"), "--rows-per-shard", "3", "--set", "execution.workers=2"
    )
    assert (plain.returncode, wide.returncode) == (0, 0), wide.stdout + wide.stderr
    assert (json.loads(wide.stdout)["scored"], len(place.record()["refs"])) == (5, 3)
    found = [
        [json.loads(line)["probability"] for line in (folder / name).open()] for name in ("plain.jsonl", "wide.jsonl")
    ]
    assert found[1] == pytest.approx(found[0], abs=2e-3)  # bf16, in other batches


def look_at_model(recipe: str, uri: str) -> None:
    """Print what a recipe's model is resolved to, as `ifrl run` does before it starts anything."""
    source = registry.look(load_recipe(recipe, [f"model={uri}"]), until=import_model)["model"]
    print(source.revision)  # type: ignore[attr-defined]


def test_one_changed_value_of_the_policy_recomputes_what_lies_below_it(
    place: Workplace, tiny: str, ifeval: tuple[str, ...]
) -> None:
    done = place.run("run", tiny, *ifeval, "--set", "policy.learning_rate=2e-5")
    assert done.returncode == 0, done.stderr
    computed = {name for name, was in cached(place.record()).items() if not was}
    of_policy = {f"{stage}-after.{label}" for stage in ("answers", "judgements") for label in ("ifeval", "general")}
    assert computed == {"policy", "evaluation-after", *of_policy, "comparison", "soft-audit", "report"}


@pytest.mark.soak
def test_a_second_round_starts_from_the_first_rounds_policy(
    place: Workplace, tiny: str, ifeval: tuple[str, ...]
) -> None:
    done = place.run("run", tiny, *ifeval, "--set", "rounds=2")
    assert done.returncode == 0, done.stdout + done.stderr
    record, summary = place.record(), place.summary()
    assert [name for name, was in cached(record).items() if was][: len(STAGES)] == STAGES
    refs = {name: f"{ref['stage']}/{ref['fingerprint']}" for name, ref in record["refs"].items()}
    rollouts = lineage(place, record, "rollouts-2")
    assert rollouts["model"] == refs["policy"]
    first, second = summary["rounds"]
    if second < first:
        assert "policy-2" not in record["stages"]
        assert lineage(place, record, "evaluation-after")["model"] == refs["policy"]
    else:
        assert lineage(place, record, "reward-model-2") == {"model": refs["model"], "labels": refs["labels-2"]}
        assert lineage(place, record, "policy-2")["model"] == refs["policy"]
        assert lineage(place, record, "evaluation-after")["model"] == refs["policy-2"]
    assert "By round" in Path(summary["report"]["path"]).read_text()


def test_an_audit_of_its_labels_makes_nothing_and_names_a_bad_file(
    place: Workplace, tiny: str, ifeval: tuple[str, ...]
) -> None:
    done = place.run("audit", tiny, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    record = place.record()
    assert (record["flow"], list(record["stages"])) == ("audit", STAGES[:7])
    assert all(cached(record).values())
    tables = {item["key"]: item["data"] for item in place.ask("/artifacts/filter", of_run(record))}
    figures = manifest_of(place, record, "labels")["figures"]["audit"]
    assert {row["type"] for row in json.loads(tables["ifrl-label-audit"])} == set(figures["by_type"])
    health = {row["what"]: row["count"] for row in json.loads(tables["ifrl-store-health"])}
    assert health["bad files among them"] == health["damaged artifacts"] == 0
    assert str(figures["confusion"]["negative_passes"]) in tables["ifrl-audit"]

    folder = place.home / "store" / "rollouts" / record["refs"]["rollouts"]["fingerprint"]
    rollouts = min(folder.glob("part-000000-*.parquet"))
    whole = rollouts.read_bytes()
    flip_byte(rollouts)
    done = place.run("audit", tiny)
    rollouts.write_bytes(whole)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{rollouts.name}: sha256 is" in done.stderr


def of_run(record: dict[str, Any]) -> dict[str, Any]:
    """A filter of the server's objects: those of one flow run."""
    return {"flow_runs": {"id": {"any_": [record["prefect"]["flow_run_id"]]}}}


def lineage(place: Workplace, record: dict[str, Any], stage: str) -> dict[str, str]:
    """A stage's inputs (stage/fingerprint) by name."""
    found: dict[str, str] = manifest_of(place, record, stage)["inputs"]
    return found


def manifest_of(place: Workplace, record: dict[str, Any], stage: str) -> dict[str, Any]:
    ref = record["refs"][stage]
    found: dict[str, Any] = json.loads(
        (place.home / "store" / ref["stage"] / ref["fingerprint"] / "manifest.json").read_text()
    )
    return found
