"""gc: what killed runs left goes; what a manifest names, what a lock covers and what is young stays."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.artifacts.gc import leftovers, remove
from ifrl_core.artifacts.listing import entries, verify
from tests.core.artifacts.makers import DAY_S, age, commit, flip_byte, table

A, B = "a" * 64, "b" * 64


def collect(store: ArtifactStore, older_than_s: float = DAY_S) -> dict[str, str]:
    """Remove everything that can go; kind by path below the root."""
    items = leftovers(store, older_than_s=older_than_s)
    return {str(Path(item.path).relative_to(store.root)): item.kind for item in items if remove(store, item)}


def root(store: ArtifactStore) -> Path:
    return Path(store.root)


def test_each_kind_of_leftover_goes_once_it_is_old(store: ArtifactStore) -> None:
    commit(store, "labels", A)
    store.writer("rollouts", 1, B, {}, {}).write_table("part-00000.parquet", table(1))
    (root(store) / "labels" / A / ".tmp-1-part-00000.parquet").write_bytes(b"torn")
    (root(store) / "runs").mkdir()
    (root(store) / "runs" / ".tmp-2-run.json").write_bytes(b"torn")
    (root(store) / ".probe-3").write_bytes(b"ifrl")
    scratch = store.scratch("policy", B)
    (scratch / "checkpoints").mkdir(parents=True)
    (scratch / "checkpoints" / "state").write_bytes(b"x")
    with store.lock("seeds", B):
        pass
    assert not leftovers(store, older_than_s=DAY_S)
    age(root(store), 2 * DAY_S)
    assert collect(store) == {
        f"labels/{A}": "unnamed files",
        f"rollouts/{B}": "unfinished artifact",
        "runs/.tmp-2-run.json": "temporary file",
        ".probe-3": "temporary file",
        f".scratch/policy-{B[:32]}": "scratch folder",
        f".locks/seeds-{B[:32]}.lock": "lock",
    }
    left = {str(path.relative_to(root(store))) for path in root(store).rglob("*") if path.is_file()}
    assert left == {f"labels/{A}/{name}" for name in ("part-00000.parquet", "part-00001.parquet", "extra.json")} | {
        f"labels/{A}/manifest.json"
    }
    assert not (root(store) / "rollouts" / B).exists()
    assert not scratch.exists()


def test_a_dry_run_changes_nothing(store: ArtifactStore) -> None:
    store.writer("rollouts", 1, B, {}, {}).write_table("part-00000.parquet", table(1))
    age(root(store), 2 * DAY_S)
    before = sorted(root(store).rglob("*"))
    (leftover,) = leftovers(store, older_than_s=DAY_S)
    assert sorted(root(store).rglob("*")) == before
    assert leftover.size == sum(path.stat().st_size for path in before if path.is_file())


@pytest.mark.parametrize("part", ["", "part-00007.parquet"])
def test_nothing_that_a_live_lock_covers(store: ArtifactStore, part: str) -> None:
    writer = store.writer("rollouts", 1, B, {}, {})
    writer.write_table("part-00000.parquet", table(1))
    store.scratch("rollouts", B).mkdir(parents=True)
    (store.scratch("rollouts", B) / "x").write_bytes(b"x")
    with store.lock("rollouts", B, part):
        age(root(store), 2 * DAY_S)
        assert not leftovers(store, older_than_s=DAY_S)
    assert {item.kind for item in leftovers(store, older_than_s=DAY_S)} == {
        "unfinished artifact",
        "scratch folder",
        "lock",
    }


def test_a_run_that_begins_between_listing_and_removal_keeps_its_files(store: ArtifactStore) -> None:
    writer = store.writer("rollouts", 1, B, {}, {})
    writer.write_table("part-00000.parquet", table(1))
    age(root(store), 2 * DAY_S)
    (leftover,) = leftovers(store, older_than_s=DAY_S)
    with store.lock("rollouts", B):
        assert not remove(store, leftover)
    with store.lock("rollouts", B, "part-00001.parquet"):
        assert not remove(store, leftover)
    writer.write_table("part-00001.parquet", table(2))
    assert not remove(store, leftover), "the folder is not what was listed any more"
    assert writer.commit({}).rows == 2


def test_a_folder_whose_manifest_cannot_be_read_is_left_alone(store: ArtifactStore) -> None:
    commit(store, "labels", A)
    manifest = root(store) / "labels" / A / "manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    age(root(store), 2 * DAY_S)
    assert not leftovers(store, older_than_s=DAY_S)


def test_files_that_the_store_did_not_make_are_left_alone(store: ArtifactStore) -> None:
    for name in ("notes.txt", "labels/mine.parquet", "labels/not-a-fingerprint/part-00000.parquet", ".git/config"):
        (root(store) / name).parent.mkdir(parents=True, exist_ok=True)
        (root(store) / name).write_text("mine")
    age(root(store), 400 * DAY_S)
    assert not leftovers(store, older_than_s=0)


def test_a_shard_is_still_found_after_its_record_went(store: ArtifactStore) -> None:
    commit(store, "labels", A)
    collect(store, older_than_s=0)
    assert not list(root(store).rglob("*.parquet.json"))
    assert store.writer("labels", 1, A, {}, {}).recorded("part-00001.parquet") is not None


FILES = ("part-00002.parquet", "part-00000.parquet.json", ".tmp-9-part-00000.parquet", "model/weights.safetensors")
FOLDER = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["labels", "reward-model"]),
        "fingerprint": st.sampled_from([A, B]),
        "shards": st.integers(0, 2),
        "committed": st.booleans(),
        "extra": st.sets(st.sampled_from(FILES)),
        "scratch": st.booleans(),
        "old": st.booleans(),
        "lock": st.sampled_from([None, "free", "", "part-00001.parquet"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FOLDER, max_size=4, unique_by=lambda folder: (folder["stage"], folder["fingerprint"])))
def test_of_any_store_it_keeps_what_is_named_or_young_or_locked_and_nothing_else(states: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as locks:
        store = ArtifactStore(folder)
        kept: set[Path] = set()
        for state in states:
            identity = (state["stage"], state["fingerprint"])
            home = Path(store.folder(*identity))
            writer = store.writer(*identity[:1], 1, identity[1], {}, {})
            named = {home / writer.write_table(f"part-{i:05d}.parquet", table(i)).name for i in range(state["shards"])}
            if state["committed"]:
                writer.commit({})
                named.add(home / "manifest.json")
            for name in state["extra"]:
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).write_bytes(b"left")
            scratch = store.scratch(*identity)
            if state["scratch"]:
                scratch.mkdir(parents=True)
                (scratch / "state").write_bytes(b"left")
            for place in (home, scratch):
                if state["old"] and place.exists():
                    age(place, 2 * DAY_S)
            if state["lock"] == "free":
                with store.lock(*identity):
                    pass
            elif state["lock"] is not None:
                locks.enter_context(store.lock(*identity, state["lock"]))
            is_held = state["lock"] not in (None, "free")
            present = {path for place in (home, scratch) for path in place.rglob("*") if path.is_file()}
            kept |= present if is_held or not state["old"] else named if state["committed"] else set()
        collect(store)
        left = {path for path in Path(folder).rglob("*") if path.is_file() and ".locks" not in path.parts}
        assert left == kept
        for entry in entries(store):
            if entry.state == "committed":
                assert not list(verify(store, entry.stage, entry.fingerprint))


def test_verify_and_the_next_reader_name_a_flipped_byte(store: ArtifactStore) -> None:
    ref = commit(store, "labels", A)
    flip_byte(root(store) / "labels" / A / "part-00001.parquet")
    (problem,) = verify(store, "labels", A)
    assert problem.file == "part-00001.parquet"
    with pytest.raises(Exception, match=r"part-00001\.parquet is corrupted"):
        list(store.rows(ref))
