"""SIGKILL at random moments: every row exactly once, and the bytes of an undisturbed run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.gc import leftovers
from tests.core.artifacts.kills import LADDERS, RUNGS
from tests.core.artifacts.makers import commit
from tests.patience import PATIENCE_S


def run_kills(what: str, root: Path, kills: int, *, seed: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.core.artifacts.kills", what, str(root), str(kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def check_rollouts(outcome: dict[str, Any], root: Path, kills: int) -> None:
    assert outcome["digests"][0] == outcome["digests"][1]
    assert len(outcome["shards_at_kill"]) == kills
    assert len(set(outcome["shards_at_kill"])) > 2, "the kills all came at one place: this test shows nothing"
    store = ArtifactStore(str(root / "killed"))
    ref = store.find("rollouts", outcome["fingerprint"])
    assert ref is not None
    store.verify(ref)
    ids = [row["rollout_id"] for row in store.rows(ref)]
    assert ids == [f"i-{ladder}-L{level}-0" for ladder in range(LADDERS) for level in range(RUNGS)]
    assert store.manifest(ref).figures["rollouts"] == LADDERS * RUNGS


def test_rollouts_killed_5_times_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    model = commit(ArtifactStore(str(tmp_path / "model")), "model", "a" * 64)
    (tmp_path / "model.json").write_text(model.model_dump_json())
    check_rollouts(run_kills("rollouts", tmp_path, 5), tmp_path, 5)


@pytest.mark.soak
@pytest.mark.model
def test_rollouts_of_the_model_killed_20_times(model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(model.model_dump_json())
    for name in ("calm", "killed"):
        folder = Path(ArtifactStore(str(tmp_path / name)).folder(model.stage, model.fingerprint))
        folder.parent.mkdir(parents=True)
        folder.symlink_to(model_store.folder(model.stage, model.fingerprint))
    check_rollouts(run_kills("model-rollouts", tmp_path, 20), tmp_path, 20)


@pytest.mark.parametrize(
    ("seed", "kills"), [(0, 5), *(pytest.param(seed, 20, marks=pytest.mark.soak) for seed in (1, 2, 3))]
)
def test_a_stage_killed_while_it_writes_ends_with_the_same_bytes(tmp_path: Path, seed: int, kills: int) -> None:
    outcome = run_kills("writes", tmp_path, kills, seed=seed)
    assert outcome["digests"][0] == outcome["digests"][1]
    store = ArtifactStore(str(tmp_path / "killed"))
    ref = store.find("writes", outcome["fingerprint"])
    assert ref is not None
    store.verify(ref)
    assert [row["a"] for row in store.rows(ref)] == list(range(60_000))
    kinds = {item.kind for item in leftovers(store, older_than_s=0)}
    assert kinds <= {"shard records", "unnamed files", "lock"}
