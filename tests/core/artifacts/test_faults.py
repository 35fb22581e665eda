"""A store that fails for a while ends in the same bytes; one that stays away ends in an error that names the object."""

import threading
import time
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.errors import ArtifactError
from tests.core.artifacts import fault_proxy
from tests.core.artifacts.fault_proxy import Fault, Proxy, Request
from tests.core.artifacts.makers import table
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.server
FINGERPRINT = "f" * 64


def make(store: ArtifactStore, folder: Path) -> str:
    """Write, commit, read back and download an artifact; its digest."""
    (folder / "m").mkdir(exist_ok=True)
    (folder / "m" / "model.safetensors").write_bytes(bytes(range(256)) * 4000)
    writer = store.writer("stage", 1, FINGERPRINT, {}, {})
    assert writer.recorded("part-00000.parquet") is None
    writer.write_table("part-00000.parquet", table(*range(5000)))
    writer.write_folder(folder / "m", prefix="model")
    ref = writer.commit({})
    assert [row["a"] for row in store.rows(ref)] == list(range(5000))
    local = store.local_folder(ref, prefix="model/") / "model.safetensors"
    assert local.read_bytes() == bytes(range(256)) * 4000
    store.verify(ref)
    return ref.digest


@pytest.mark.parametrize("fault", ["503", "slow", "cut"])
def test_each_first_request_fails_and_the_bytes_are_the_same(
    proxy: Proxy, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    if fault == "slow":
        monkeypatch.setattr("ifrl_core.artifacts.files._TIMEOUT_S", fault_proxy.SLOW_S / 4)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "30")  # on a busy machine other answers take that long, too
    expected = make(ArtifactStore(str(tmp_path / "local")), tmp_path)
    proxy.plan = lambda request: fault if request.number == 0 else None
    assert make(ArtifactStore(f"s3://ifrl/{fault}"), tmp_path) == expected
    failed = {request.method for _, request in proxy.faults}
    assert {"GET", "PUT"} <= failed, f"only {failed} failed: this test shows nothing"


def test_a_server_that_is_away_for_a_while_is_waited_for(proxy: Proxy, tmp_path: Path) -> None:
    store = ArtifactStore("s3://ifrl/away")
    writer = store.writer("stage", 1, FINGERPRINT, {}, {})
    writer.write_table("part-00000.parquet", table(1))
    with proxy.refusing():
        ended: list[str] = []
        thread = threading.Thread(target=lambda: ended.append(writer.write_table("part-00001.parquet", table(2)).name))
        thread.start()
        time.sleep(3)
        assert not ended
    thread.join(PATIENCE_S)
    assert ended == ["part-00001.parquet"]
    assert [row["a"] for row in store.rows(writer.commit({}))] == [1, 2]


@pytest.mark.parametrize("kind", ["refused", "503", "cut"])
def test_an_outage_that_does_not_end_names_the_object_and_what_to_do(
    proxy: Proxy, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    store = ArtifactStore(f"s3://ifrl/gone-{kind}")
    writer = store.writer("stage", 1, FINGERPRINT, {}, {})
    writer.write_table("part-00000.parquet", table(1, 2, 3))
    ref = writer.commit({})
    says = r"part-00000\.parquet cannot be read: .*run the same command again"
    if kind == "refused":
        with proxy.refusing(), pytest.raises(ArtifactError, match=r"manifest\.json cannot be read: .*again"):
            list(store.rows(ref))
        return

    def shards_fail(request: Request) -> Fault | None:
        return kind if request.path.endswith(".parquet") else None  # type: ignore[return-value]

    proxy.plan = shards_fail
    with pytest.raises(ArtifactError, match=says):
        list(store.rows(ref))
    with pytest.raises(ArtifactError, match=r"part-00001\.parquet cannot be written: .*run the same command again"):
        writer.write_table("part-00001.parquet", table(4))
    assert store.find("stage", FINGERPRINT) == ref
