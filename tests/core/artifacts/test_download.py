"""Downloads: whole or not there, gone on from where they were cut off, one reader at a time."""

import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactStore, download, files
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.gc import leftovers
from ifrl_core.errors import ArtifactError, ModelError
from ifrl_core.models.content import digest_of_model
from ifrl_core.models.folder import local_folder, model_folder
from tests.core.artifacts.fault_proxy import Fault, Plan, Proxy, Request
from tests.patience import PATIENCE_S

DATA = random.Random(0).randbytes(1_000_000)
DIGEST = digest_of_bytes(DATA)
BLOCK = 50_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_BLOCK", BLOCK)
    monkeypatch.setattr(download, "_BLOCKS_AT_ONCE", 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path / "source"


def fetch(source: Path, target: Path, *, digest: str | None = DIGEST) -> None:
    fs, path = files.filesystem(str(source))
    download.download(fs, path, target, size=source.stat().st_size, digest=digest)


def partial_of(target: Path) -> Path:
    (partial,) = (path for path in target.parent.glob(".tmp-*") if path.suffix != ".lock")
    return partial


def cut_at(source: Path, target: Path, size: int, *, digest: str | None = DIGEST) -> Path:
    """The file beside `target` that a download cut off after `size` bytes leaves."""
    whole = source.read_bytes()
    stat = source.stat()
    source.write_bytes(whole[:size])
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    fs, path = files.filesystem(str(source))
    with pytest.raises(ArtifactError, match=r"source cannot be read: .*run the same command again"):
        download.download(fs, path, target, size=len(whole), digest=digest)
    source.write_bytes(whole)
    return partial_of(target)


@pytest.mark.parametrize("digest", [DIGEST, None])
def test_a_file_is_there_whole_and_nothing_beside_it(source: Path, tmp_path: Path, digest: str | None) -> None:
    target = tmp_path / "deep" / "folder" / "copy"
    fetch(source, target, digest=digest)
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
    source.write_bytes(DATA[::-1])
    fetch(source, target, digest=digest)
    assert target.read_bytes() == DATA, "what is there is not read again"


def test_what_is_there_with_another_digest_is_read_again(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(DATA[::-1])
    fetch(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    fetch(tmp_path / "source", tmp_path / "copy", digest=None)
    assert (tmp_path / "copy").read_bytes() == b""


def test_it_goes_on_from_what_was_read(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    partial = cut_at(source, target, 420_000)
    assert partial.read_bytes() == DATA[:400_000], "the blocks before the first that failed"
    assert not target.exists()
    source.write_bytes(b"\0" * 400_000 + DATA[400_000:])  # read again from its start, this would not fit the digest
    fetch(source, target)
    assert target.read_bytes() == DATA


def test_a_part_that_is_damaged_is_read_again(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    partial = cut_at(source, target, 420_000)
    partial.write_bytes(b"\0" * 400_000)
    fetch(source, target)
    assert target.read_bytes() == DATA


def test_a_wrong_digest_leaves_no_file(source: Path, tmp_path: Path) -> None:
    source.write_bytes(DATA[:-1] + b"X")
    with pytest.raises(ArtifactError, match="source is corrupted"):
        fetch(source, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not [path for path in tmp_path.glob(".tmp-*") if path.suffix != ".lock"]


def test_parts_of_two_versions_of_a_file_never_meet(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    cut_at(source, target, 420_000, digest=None)
    source.write_bytes(DATA[::-1])
    fetch(source, target, digest=None)
    assert target.read_bytes() == DATA[::-1]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    fs, _ = files.filesystem(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        download.download(fs, str(tmp_path / "gone"), tmp_path / "copy", size=10, digest=DIGEST)


SCRIPT = """
import sys
from pathlib import Path
from ifrl_core.artifacts import download, files
download._BLOCK = 50_000
fs, path = files.filesystem(sys.argv[1])
download.download(fs, path, Path(sys.argv[2]), size=1_000_000, digest=sys.argv[3])
"""


@pytest.mark.server
def test_of_processes_that_want_a_file_one_reads_it(proxy: Proxy, tmp_path: Path) -> None:
    fs, path = files.filesystem("s3://ifrl/shared/model.safetensors")
    files.write_bytes(fs, path, DATA)
    before, target = proxy.sent, tmp_path / "copy"
    sizes: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if target.exists():
                sizes.add(target.stat().st_size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    command = [sys.executable, "-c", SCRIPT, "s3://ifrl/shared/model.safetensors", str(target), DIGEST]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate(timeout=PATIENCE_S)[1] for process in processes]
    done.set()
    watcher.join()
    sizes.add(target.stat().st_size)  # the watcher may not have had its turn
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert sizes == {len(DATA)}, "half a file was to be seen"
    assert target.read_bytes() == DATA
    assert proxy.sent - before < 1.1 * len(DATA)


def cut_from(number: int, path_ends: str) -> Plan:
    """A plan that ends the body of every GET of a file from the `number`-th on half way."""

    def plan(request: Request) -> Fault | None:
        return (
            "cut" if request.method == "GET" and request.path.endswith(path_ends) and request.number >= number else None
        )

    return plan


@pytest.mark.server
def test_a_connection_that_is_cut_is_gone_on_from(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artifact of a store and a model URI alike: no block that arrived is asked for again."""
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    (tmp_path / "m" / "model.safetensors").write_bytes(DATA)
    store = ArtifactStore("s3://ifrl/cut")
    writer = store.writer("model", 1, "f" * 64, {}, {})
    writer.write_folder(tmp_path / "m", prefix="model")
    ref = writer.commit({})
    for get in (lambda: store.local_folder(ref, prefix="model/"), lambda: local_folder(f"{ref.uri}/model")):
        proxy.seen.clear()
        proxy.plan = cut_from(12, "model.safetensors")
        before = proxy.sent
        with pytest.raises(ArtifactError, match=r"model\.safetensors cannot be read: .*run the same command again"):
            get()
        first = proxy.sent - before
        assert first > 12 * BLOCK, "it was cut before anything was read: this test shows nothing"
        (cut,) = (item for item in leftovers(store, older_than_s=0) if item.kind == "temporary file" and item.size)
        assert cut.size >= 10 * BLOCK
        proxy.plan = lambda request: None
        before = proxy.sent
        folder = get()
        assert (folder / "model.safetensors").read_bytes() == DATA
        assert proxy.sent - before < len(DATA) - 10 * BLOCK + 20_000
        assert not [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


def put_model(folder: str, weights: bytes) -> None:
    """A model on S3, beside pickled weights of as many bytes."""
    for name, data in (("config.json", b"{}"), ("model.safetensors", weights), ("pytorch_model.bin", weights)):
        files.write_bytes(*files.filesystem(f"{folder}/{name}"), data)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.mark.server
def test_weights_of_equal_size_on_s3_are_seen_and_pickles_stay_there(proxy: Proxy, cache: Path) -> None:
    uri = "s3://ifrl/equal"
    put_model(uri, DATA)
    first, before = local_folder(uri), proxy.sent
    assert local_folder(uri) == first
    assert proxy.sent - before < 20_000, "it was read again"
    put_model(uri, DATA[::-1])
    second = local_folder(uri)
    assert (first / "model.safetensors").read_bytes() == DATA
    assert (second / "model.safetensors").read_bytes() == DATA[::-1]
    assert not [path for method, path in proxy.seen if method == "GET" and path.endswith(".bin")]
    assert {path.name for path in cache.iterdir()} == {first.name, second.name, ".sources", ".placing.lock"}


@pytest.mark.server
def test_a_model_whose_reads_are_cut_is_read_again_at_once(proxy: Proxy, cache: Path) -> None:
    put_model("s3://ifrl/retried", DATA)
    proxy.plan = lambda request: "cut" if request.path.endswith("safetensors") and request.number % 3 == 0 else None
    folder = local_folder("s3://ifrl/retried")
    assert (folder / "model.safetensors").read_bytes() == DATA
    assert [fault for fault, request in proxy.faults if request.method == "GET"]


@pytest.mark.server
def test_a_model_that_changes_while_it_is_read_is_refused(s3: Path, proxy: Proxy, cache: Path) -> None:
    uri = "s3://ifrl/changing"
    put_model(uri, DATA)

    def change(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("safetensors") and request.number == 2:
            (s3 / "data" / "ifrl" / "changing" / "model.safetensors").write_bytes(DATA[::-1])

    proxy.plan = change
    with pytest.raises(ModelError, match="changed while it was read"):
        local_folder(uri)


@pytest.mark.server
def test_of_those_who_want_a_model_at_once_one_fetches_it_and_all_have_it_whole(proxy: Proxy, cache: Path) -> None:
    put_model("s3://ifrl/wanted", DATA)
    before = proxy.sent
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(local_folder, ["s3://ifrl/wanted"] * 4))
    (folder,) = folders
    assert digest_of_model(folder) == folder.name
    assert proxy.sent - before < 1.1 * len(DATA)


@pytest.mark.server
def test_the_tokenizer_of_an_artifact_is_read_without_its_weights(proxy: Proxy, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for name, data in (("config.json", b"{}"), ("model.safetensors", DATA), ("tokenizer.json", b"{}")):
        (tmp_path / "m" / name).write_bytes(data)
    writer = ArtifactStore("s3://ifrl/tokenizer").writer("policy", 1, "f" * 64, {}, {})
    writer.write_folder(tmp_path / "m", prefix="model")
    ref, store, before = writer.commit({}), ArtifactStore("s3://ifrl/tokenizer"), proxy.sent
    folder = model_folder(ref, store, weights=False)
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json"}
    assert proxy.sent - before < 20_000
    assert (model_folder(ref, store) / "model.safetensors").read_bytes() == DATA
