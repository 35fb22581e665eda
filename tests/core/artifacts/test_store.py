"""The store: all or nothing, resumable by shard, and never wrong data."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactStore, ArtifactWriter
from ifrl_core.errors import ArtifactError

FINGERPRINT = "f" * 64


def table(*values: int) -> pa.Table:
    return pa.table({"a": list(values)})


def writer(store: ArtifactStore) -> ArtifactWriter:
    return store.writer("stage", 1, FINGERPRINT, {"k": 1}, {"seeds": "seeds/0"})


def committed(store: ArtifactStore) -> Path:
    work = writer(store)
    work.write_table("part-00000.parquet", table(1, 2))
    work.write_table("part-00001.parquet", table(3))
    work.write_json("extra.json", {"x": 1})
    work.commit({"rows": 3})
    return Path(store.folder("stage", FINGERPRINT))


def test_nothing_is_found_before_the_manifest(store: ArtifactStore) -> None:
    writer(store).write_table("part-00000.parquet", table(1))
    assert store.find("stage", FINGERPRINT) is None


def test_a_committed_artifact_gives_back_its_rows_in_order_and_its_figures(store: ArtifactStore) -> None:
    committed(store)
    ref = store.find("stage", FINGERPRINT)
    assert ref is not None
    assert ref.rows == 3
    assert [row["a"] for row in store.rows(ref)] == [1, 2, 3]
    assert store.read_json(ref, "extra.json") == {"x": 1}
    manifest = store.manifest(ref)
    assert manifest.figures == {"rows": 3}
    assert manifest.inputs == {"seeds": "seeds/0"}


def test_equal_data_has_an_equal_digest_whatever_it_cost(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        store = ArtifactStore(str(tmp_path / name))
        committed(store)
        ref = store.find("stage", FINGERPRINT)
        assert ref is not None
        digests.append(ref.digest)
    assert digests[0] == digests[1]


def test_a_killed_writer_leaves_its_shards_to_the_next(store: ArtifactStore) -> None:
    first = writer(store)
    record = first.write_table("part-00000.parquet", table(1, 2))
    second = writer(store)
    assert second.recorded("part-00000.parquet") == record
    assert second.recorded("part-00001.parquet") is None
    second.write_table("part-00001.parquet", table(3))
    assert second.commit({}).rows == 3


def test_a_half_written_shard_is_made_again(store: ArtifactStore) -> None:
    folder = Path(store.folder("stage", FINGERPRINT))
    folder.mkdir(parents=True)
    (folder / "part-00000.parquet").write_bytes(b"PAR1 torn")
    assert writer(store).recorded("part-00000.parquet") is None


def test_a_shard_altered_between_two_attempts_is_named(store: ArtifactStore) -> None:
    writer(store).write_table("part-00000.parquet", table(1, 2))
    path = Path(store.folder("stage", FINGERPRINT)) / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet is corrupted"):
        writer(store).recorded("part-00000.parquet")


@pytest.mark.parametrize("name", ["part-00001.parquet", "extra.json"])
def test_one_flipped_byte_is_named_and_never_used(store: ArtifactStore, name: str) -> None:
    path = committed(store) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    ref = store.find("stage", FINGERPRINT)
    assert ref is not None
    with pytest.raises(ArtifactError, match=f"{name} is corrupted"):
        store.read_bytes(ref, name)
    with pytest.raises(ArtifactError, match=f"{name} is corrupted"):
        store.verify(ref)
    with pytest.raises(ArtifactError, match=f"{name} is corrupted"):
        store.local_folder(ref)


def test_a_missing_shard_is_named(store: ArtifactStore) -> None:
    (committed(store) / "part-00001.parquet").unlink()
    ref = store.find("stage", FINGERPRINT)
    assert ref is not None
    with pytest.raises(ArtifactError, match=r"part-00001\.parquet is missing"):
        list(store.rows(ref))


def test_a_torn_manifest_is_an_error_not_a_miss(store: ArtifactStore) -> None:
    path = committed(store) / "manifest.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ArtifactError, match="is not a manifest"):
        store.find("stage", FINGERPRINT)


def test_a_reference_to_replaced_data_is_refused(store: ArtifactStore) -> None:
    path = committed(store) / "manifest.json"
    ref = store.find("stage", FINGERPRINT)
    assert ref is not None
    document = json.loads(path.read_text())
    document["shards"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="is not the reference's"):
        store.manifest(ref)


def test_no_temporary_file_stays(store: ArtifactStore) -> None:
    folder = committed(store)
    assert not [path for path in folder.rglob("*") if ".tmp-" in path.name]


def test_a_root_that_is_a_file_fails_before_compute(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        ArtifactStore(str(tmp_path / "file")).check_writable()


def test_a_disk_without_room_fails_before_compute(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="MiB free; this run needs about"):
        store.check_writable(need_bytes=1 << 60)
