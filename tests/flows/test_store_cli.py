"""`ifrl store` as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli.store import app
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import InputError
from tests.core.artifacts.makers import DAY_S, age, commit, flip_byte, table

A, B, C = "a1" + "0" * 62, "a2" + "0" * 62, "c" * 64


@pytest.fixture
def chain(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, ArtifactRef]:
    """seeds -> prompts -> rollouts -> labels, where labels are made from both prompts and rollouts."""
    monkeypatch.setenv("IFRL_ROOT", store.root)
    seeds = commit(store, "seeds", C)
    prompts = commit(store, "prompts", C, inputs={"seeds": f"seeds/{C}"})
    rollouts = commit(store, "rollouts", C, inputs={"prompts": f"prompts/{C}", "model": f"model/{C}"})
    both = {"prompts": f"prompts/{C}", "rollouts": f"rollouts/{C}"}
    labels = commit(store, "labels", A, inputs=both)
    commit(store, "labels", B, shards=3)
    return {"seeds": seeds, "prompts": prompts, "rollouts": rollouts, "labels": labels}


def ifrl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_ls_lists_finished_and_unfinished(store: ArtifactStore, chain: dict[str, ArtifactRef]) -> None:
    store.writer("policy", 1, C, {}, {}).write_table("part-00000.parquet", table(1))
    found = json.loads(ifrl("ls", "--json").stdout)
    assert [(entry["stage"], entry["state"], entry["rows"]) for entry in found] == [
        ("labels", "committed", 2),
        ("labels", "committed", 3),
        ("policy", "unfinished", None),
        ("prompts", "committed", 2),
        ("rollouts", "committed", 2),
        ("seeds", "committed", 2),
    ]
    lines = ifrl("ls").stdout.splitlines()
    assert len(lines) == 7
    assert lines[-1].startswith("6 artifacts")


def test_show_says_columns_and_where_it_comes_from(chain: dict[str, ArtifactRef]) -> None:
    found = json.loads(ifrl("show", "labels/a1", "--json").stdout)
    assert found["digest"] == chain["labels"].digest
    assert found["schemas"] == {"part-*.parquet": {"a": "int64"}}
    assert found["figures"] == {"shards": 2}
    assert [shard["name"] for shard in found["shards"]] == ["extra.json", "part-00000.parquet", "part-00001.parquet"]
    assert [(item["depth"], item["input"], item["rows"]) for item in found["lineage"]] == [
        (1, "prompts", 2),
        (2, "seeds", 2),
        (1, "rollouts", 2),
        (2, "prompts", 2),
        (2, "model", None),
    ]
    said = ifrl("show", f"labels/{A}").stdout
    assert "part-00001.parquet" in said
    assert f"model: model/{C}"[:40] in said
    assert "no longer in the store" in said


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("labels", "write STAGE/FINGERPRINT"),
        ("labels/", "write STAGE/FINGERPRINT"),
        ("lables/a1", "stages there: labels, prompts, rollouts, seeds"),
        ("labels/a", "several artifacts; give more digits"),
        ("labels/ffff", f"no committed artifact; there are:\n  labels/{A[:16]}"),
    ],
)
def test_a_reference_that_names_nothing_or_too_much(chain: dict[str, ArtifactRef], reference: str, says: str) -> None:
    failed = ifrl("show", reference)
    assert isinstance(failed.exception, InputError)
    assert says in str(failed.exception)


def test_verify_names_every_bad_file(store: ArtifactStore, chain: dict[str, ArtifactRef]) -> None:
    assert ifrl("verify").exit_code == 0
    flip_byte(Path(store.folder("labels", A)) / "part-00001.parquet")
    flip_byte(Path(store.folder("labels", B)) / "extra.json")
    (Path(store.folder("seeds", C)) / "part-00000.parquet").unlink()
    (Path(store.folder("rollouts", C)) / "manifest.json").write_text("{")
    done = ifrl("verify", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert {(bad["artifact"].split("/")[0], bad["file"]) for bad in found["problems"]} == {
        ("labels", "part-00001.parquet"),
        ("labels", "extra.json"),
        ("seeds", "part-00000.parquet"),
        ("rollouts", "manifest.json"),
    }
    said = ifrl("verify", "labels/a1")
    assert said.exit_code == 1
    assert f"labels/{A}/part-00001.parquet: sha256 is" in said.stdout
    assert ifrl("verify", f"prompts/{C[:4]}").exit_code == 0


def test_gc_removes_only_when_told(store: ArtifactStore, chain: dict[str, ArtifactRef]) -> None:
    store.writer("policy", 1, C, {}, {}).write_table("part-00000.parquet", table(1))
    folder = Path(store.folder("policy", C))
    assert "nothing to remove" in ifrl("gc").stdout
    age(Path(store.root), 2 * DAY_S)
    said = ifrl("gc").stdout
    assert str(folder) in said
    assert "add --delete" in said
    assert folder.exists()
    assert "nothing to remove" in ifrl("gc", "--older-than", "3d").stdout
    (found,) = (item for item in json.loads(ifrl("gc", "--json").stdout) if item["kind"] == "unfinished artifact")
    assert found["size"] == sum(path.stat().st_size for path in folder.iterdir())
    assert "removed" in ifrl("gc", "--delete").stdout
    assert not folder.exists()
    assert ifrl("verify").exit_code == 0
    assert isinstance(ifrl("gc", "--older-than", "soon").exception, InputError)
