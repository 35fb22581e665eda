"""Retraining as a user runs it: new seeds once, from the champion, a decision that is written down, and nothing twice."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.promotion import champion as registry
from ifrl_core.promotion.gate import ACCURACY, HACKS, LENGTH, PRIMARY
from ifrl_core.seeds import ledger
from tests.flows.workplace import CHEAP, Workplace
from tests.patience import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.server]

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


def start(place: Workplace, tiny: str, folder: Path, *changes: str) -> "subprocess.CompletedProcess[str]":
    options = [part for change in (*SMALL, *changes) for part in ("--set", change)]
    return place.run("retrain", tiny, "--new-seeds", str(folder), *CHEAP, *options, "--json")


def retrain(place: Workplace, tiny: str, folder: Path) -> dict[str, Any]:
    done = start(place, tiny, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def split(store: ArtifactStore, record: dict[str, Any]) -> dict[str, set[str]]:
    rows = list(store.rows(ArtifactRef.model_validate(record["refs"]["seeds"])))
    return {side: {row["seed_id"] for row in rows if row["split"] == side} for side in ("train", "held_out")}


def test_new_seeds_once_and_then_others_from_the_champion(place: Workplace, tiny: str, tmp_path: Path) -> None:
    folder, store = tmp_path / "new", ArtifactStore(str(place.home / "store"))
    uri = f"sqlite:///{place.home / 'mlflow.db'}"
    write_seeds(folder, "monday.jsonl", TOPICS, "Explain the making of")
    first = retrain(place, tiny, folder)
    record, version = place.record(), registry.champion(uri, "ifrl-policy")
    seeds, used = split(store, record), ledger.used_ids(store, "ifrl-policy")
    assert first["decision"] in EVENTS
    assert (version is not None) == (first["decision"] == "promoted")
    assert (record["flow"], record["state"]) == ("retrain", "completed")
    assert seeds["train"] < used
    assert len(used) == len(TOPICS)

    again = retrain(place, tiny, folder)
    assert again["decision"] == "none"
    assert again["said"].startswith("no new seeds: all of 8 were used")
    assert place.record()["run"] == record["run"], "a run was opened for nothing"
    assert_prefect_tells(place, first, again)

    # Whatever came of it, the next one finds it as the champion, starts from it, and is stopped before it can decide.
    if version is None:
        registry.promote(uri, "ifrl-policy", "1", previous=None)
    write_seeds(folder, "tuesday.jsonl", TOPICS, "Write a few lines about")
    done = start(place, tiny, folder, "policy.max_prompt_tokens=16")
    assert done.returncode == 1
    later = place.record()
    others, champion = split(store, later), f"policy/{record['refs']['policy']['fingerprint']}"
    assert later["state"] == "failed"
    for stage in ("rollouts", "reward-model"):
        assert store.manifest(ArtifactRef.model_validate(later["refs"][stage])).inputs["model"] == champion
    assert not others["train"] & seeds["held_out"]
    refused = first["decision"] == "refused"  # then its seeds are trained on again
    assert seeds["train"] <= others["train"] if refused else not others["train"] & seeds["train"]
    assert not others["held_out"] & (seeds["train"] | others["train"])
    assert ledger.used_ids(store, "ifrl-policy") == used, "seeds of a failed retraining count as used"

    done = place.run("rollback")
    assert done.returncode == 1
    assert "none to go back to" in done.stderr


def assert_prefect_tells(place: Workplace, decided: dict[str, Any], nothing: dict[str, Any]) -> None:
    """States say what came of the runs; of the decision there is a table and an event as well."""
    runs = {"flows": {"name": {"any_": ["retrain"]}}, "sort": "START_TIME_DESC", "limit": 2}
    assert {run["state"]["message"] for run in place.ask("/flow_runs/filter", runs)} == {
        decided["said"],
        nothing["said"],
    }
    table = place.ask("/artifacts/filter", {"artifacts": {"key": {"any_": ["ifrl-promotion"]}}})[0]["data"]
    wait_until(lambda: decision_events(place) == [EVENTS[decided["decision"]]], lambda: str(decision_events(place)))
    passed = {row["metric"]: row["passed"] for row in json.loads(table)}
    assert set(passed) == {PRIMARY, ACCURACY, LENGTH, HACKS}
    assert (set(passed.values()) == {"yes"}) == (decided["decision"] == "promoted")


def decision_events(place: Workplace) -> list[str]:
    """The names of the server's events about decisions of the last hour (the server may be that of other tests, too)."""
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    wanted = {"occurred": {"since": since}, "event": {"prefix": ["ifrl."]}}
    return [event["event"] for event in place.ask("/events/filter", {"filter": wanted})["events"]]
