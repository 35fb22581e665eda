"""Retraining as a user runs it: new seeds once, from the champion, a decision that is written down, and nothing twice."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ifrl_core import registry, retraining
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RetrainConfig
from ifrl_core.promotion import decide
from tests.core.test_promotion import comparison
from tests.flows.workplace import CHEAP, TINY, Workplace

pytestmark = pytest.mark.e2e

SMALL = [
    "seeds.train=20",
    "instructions.hard_share=1",
    "policy.max_steps=1",
    "policy.curriculum.levels=[[1]]",
    "retrain={min_new_seeds: 3, min_held_out: 2}",
]
EVENTS = {"promoted": "ifrl.promotion", "refused": "ifrl.promotion-refused"}
TOPICS = ["tides", "bread", "chess", "rust", "bees", "kites", "soap", "glass"]


@pytest.fixture(scope="module")
def place(workplace: Callable[..., Workplace]) -> Workplace:
    return workplace("retrain")


def write_seeds(folder: Path, name: str, topics: list[str], ask: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps({"seed": f"{ask} {topic}."}) + "\n" for topic in topics))


def retrain(place: Workplace, folder: Path) -> dict[str, Any]:
    changes = [part for change in SMALL for part in ("--set", change)]
    done = place.run("retrain", TINY, "--new-seeds", str(folder), *CHEAP, *changes, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return found


def split(store: ArtifactStore, record: dict[str, Any]) -> dict[str, set[str]]:
    rows = list(store.rows(ArtifactRef.model_validate(record["refs"]["seeds"])))
    return {side: {row["seed_id"] for row in rows if row["split"] == side} for side in ("train", "held_out")}


def test_two_retrainings_and_one_without_new_seeds(place: Workplace, tmp_path: Path) -> None:
    folder, store, uri = (
        tmp_path / "new",
        ArtifactStore(str(place.home / "store")),
        f"sqlite:///{place.home / 'mlflow.db'}",
    )
    write_seeds(folder, "monday.jsonl", TOPICS, "Explain the making of")
    first = retrain(place, folder)
    record, version = place.record(), registry.champion(uri, "ifrl-policy")
    seeds = split(store, record)
    assert first["decision"] in ("promoted", "refused")
    assert (version is not None) == (first["decision"] == "promoted")
    assert record["flow"] == "retrain"
    assert record["state"] == "completed"
    assert retraining.used_ids(store, "ifrl-policy") >= seeds["train"]
    assert len(retraining.used_ids(store, "ifrl-policy")) == len(TOPICS)

    again = retrain(place, folder)
    assert again["decision"] == "none"
    assert again["said"].startswith("no new seeds: all of 8 were used")
    assert place.record()["run"] == record["run"], "a run was opened for nothing"

    # Whatever came of it, the next one starts from it as the champion.
    if version is None:
        registry.record_decision(
            uri, "ifrl-policy", "1", decide(comparison(), RetrainConfig()), previous=None, run="r", seeds=""
        )
        registry.promote(uri, "ifrl-policy", "1", previous=None)
    write_seeds(folder, "tuesday.jsonl", TOPICS, "Write a few lines about")
    second = retrain(place, folder)
    later = place.record()
    others = split(store, later)
    assert not others["train"] & (seeds["train"] | seeds["held_out"])
    assert not others["held_out"] & (seeds["train"] | others["train"])
    champion = f"policy/{record['refs']['policy']['fingerprint']}"
    for stage in ("rollouts", "reward-model", "policy", "evaluation-before"):
        assert store.manifest(ArtifactRef.model_validate(later["refs"][stage])).inputs["model"] == champion
    found = registry.champion(uri, "ifrl-policy")
    assert found is not None
    assert found.version == second["champion"] == {"promoted": "2", "refused": "1"}[second["decision"]]

    with sqlite3.connect(place.home / "prefect" / "prefect.db") as db:
        events = [
            name for (name,) in db.execute("select event from events where event like 'ifrl.%' order by occurred")
        ]
        messages = {text for (text,) in db.execute("select message from flow_run_state where type = 'COMPLETED'")}
        tables = [
            text for (text,) in db.execute("select data from artifact where key = 'ifrl-promotion' order by created")
        ]
    assert events == [EVENTS[item["decision"]] for item in (first, second)]
    assert {item["said"] for item in (first, again, second)} <= messages
    for item, table in zip((first, second), tables, strict=True):
        assert ("no" in {row["passed"] for row in json.loads(json.loads(table))}) == (item["decision"] == "refused")

    done = place.run("rollback")
    if second["decision"] == "promoted":
        assert "was version 2 and is version 1" in done.stdout
    else:
        assert done.returncode == 1
        assert "none to go back to" in done.stderr
