"""The same store on a real S3 server."""

from pathlib import Path

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.errors import ArtifactError

pytestmark = pytest.mark.server
FINGERPRINT = "f" * 64


def test_write_find_read_and_download(s3: Path, tmp_path: Path) -> None:
    store = ArtifactStore("s3://ifrl/one")
    store.check_writable()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\0" * 1000)
    work = store.writer("stage", 1, FINGERPRINT, {}, {})
    assert work.recorded("part-00000.parquet") is None
    work.write_table("part-00000.parquet", pa.table({"a": [1, 2]}))
    work.write_folder(tmp_path / "m", prefix="model")
    assert store.find("stage", FINGERPRINT) is None
    ref = work.commit({"n": 2})
    assert store.find("stage", FINGERPRINT) == ref
    assert [row["a"] for row in store.rows(ref)] == [1, 2]
    assert (store.local_folder(ref, prefix="model/") / "model.safetensors").read_bytes() == b"\0" * 1000
    assert store.writer("stage", 1, FINGERPRINT, {}, {}).recorded("part-00000.parquet") is not None


def test_an_altered_object_is_named(s3: Path) -> None:
    store = ArtifactStore("s3://ifrl/two")
    work = store.writer("stage", 1, FINGERPRINT, {}, {})
    work.write_table("part-00000.parquet", pa.table({"a": [1, 2]}))
    ref = work.commit({})
    path = s3 / "data" / "ifrl" / "two" / "stage" / FINGERPRINT / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet is corrupted"):
        store.verify(ref)


def test_a_missing_bucket_fails_before_compute(s3: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written"):
        ArtifactStore("s3://no-such-bucket/x").check_writable()


def test_a_store_follows_the_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = []
    for port in (1, 2):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        endpoints.append(ArtifactStore("s3://any/where").fs.endpoint_url)
    assert endpoints == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
