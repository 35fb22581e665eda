"""Two runs that want one artifact: one makes it, the other waits and takes it; a dead holder holds nothing."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactStore, files, lease
from ifrl_core.artifacts.gc import leftovers, remove
from ifrl_core.artifacts.lease import HeldError, Lease
from ifrl_core.artifacts.locks import locked
from ifrl_core.errors import ArtifactError
from tests.core.artifacts.fault_proxy import Proxy
from tests.core.artifacts.makers import table
from tests.patience import PATIENCE_S, wait_until

F = "f" * 64
S3 = pytest.param("s3", marks=pytest.mark.server)
S3_WITH_CONDITIONS = pytest.param("conditional", marks=pytest.mark.server)


@pytest.fixture(params=["local", S3, S3_WITH_CONDITIONS])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store root on a local disk, on an S3 server without conditional writes, and on one with them."""
    if request.param == "local":
        return str(tmp_path / "store")
    request.getfixturevalue(request.param)
    return f"s3://ifrl/{tmp_path.name}"


@pytest.fixture(params=[S3, S3_WITH_CONDITIONS])
def lease_path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    request.getfixturevalue(request.param)
    return f"ifrl/{tmp_path.name}/.locks/x.lock"


def start(root: str, log: Path, go_on: Path, errors: Path) -> "subprocess.Popen[str]":
    """A stage that ends once there is the file `go_on`; what it logs goes to the file `errors`."""
    command = [sys.executable, "-m", "tests.core.artifacts.slow_stage", root, str(log), str(go_on)]
    with errors.open("w") as stream:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)


def test_of_processes_that_want_the_same_artifact_one_makes_it(root: str, tmp_path: Path) -> None:
    log, waiting = tmp_path / "log", [tmp_path / f"errors-{number}" for number in range(3)]
    processes = [start(root, log, go_on := tmp_path / "go-on", errors) for errors in waiting]

    def both_wait() -> bool:
        assert all(process.poll() is None for process in processes), [path.read_text() for path in waiting]
        return sum("waiting for its result" in path.read_text() for path in waiting) == 2

    wait_until(both_wait, pause_s=0.05)
    go_on.touch()
    results = [process.communicate(timeout=PATIENCE_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], [path.read_text() for path in waiting]
    assert len(set(results)) == 1
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["begin", "end"]
    # Shards of one run only: the stage writes its process id into each.
    store = ArtifactStore(root)
    (name,) = {Path(file.path).parent.name for file in files.listing(store.fs, f"{store.base}/slow")}
    ref = store.find("slow", name)
    assert ref is not None
    assert {row["pid"] for row in store.rows(ref)} == {store.manifest(ref).figures["pid"]}


def test_a_killed_holder_is_followed_at_once(root: str, tmp_path: Path) -> None:
    log, errors = tmp_path / "log", tmp_path / "errors"
    holder = start(root, log, tmp_path / "never", tmp_path / "errors-of-holder")
    wait_until(log.exists, (tmp_path / "errors-of-holder").read_text)
    (tmp_path / "go-on").touch()
    waiting = start(root, log, tmp_path / "go-on", errors)
    wait_until(lambda: "waiting for its result" in errors.read_text(), errors.read_text)
    time.sleep(0.5)
    assert waiting.poll() is None
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    out, _ = waiting.communicate(timeout=lease.PATIENCE_S / 2)
    assert waiting.returncode == 0, errors.read_text()
    assert len(out.strip()) == 64
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["begin", "begin", "end"]


def test_it_is_free_after_an_error(root: str) -> None:
    store = ArtifactStore(root)
    with pytest.raises(ZeroDivisionError), store.lock("stage", F):
        raise ZeroDivisionError
    with store.lock("stage", F):
        pass


def test_threads_exclude_each_other_and_parts_do_not(root: str) -> None:
    store, inside, most = ArtifactStore(root), [0], [0]
    both = threading.Barrier(2)

    def work(part: str, alone: bool) -> None:
        with store.lock("stage", F, part):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            if alone:
                time.sleep(0.2)
            else:
                both.wait(PATIENCE_S)
            inside[0] -= 1

    for parts, expected in ((["a", "a", "a"], 1), (["a", "b"], 2)):
        most[0] = 0
        threads = [threading.Thread(target=work, args=(part, expected == 1)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] == expected


def test_runs_that_map_the_same_shards_make_each_once(root: str) -> None:
    """As mapped tasks do: each shard under its own lock, by writers that know nothing of each other."""
    store, written, lock = ArtifactStore(root), [], threading.Lock()
    writers = [store.writer("stage", 1, F, {}, {}) for _ in range(3)]

    def work(number: int) -> None:
        for index in range(4):
            name = f"part-{index:05d}.parquet"
            with writers[number].alone(name):
                if not writers[number].recorded(name):
                    with lock:
                        written.append(name)
                    writers[number].write_table(name, table(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [f"part-{index:05d}.parquet" for index in range(4)]
    refs = [writer.commit({}) for writer in writers]
    assert refs[0] == refs[1] == refs[2]
    store.verify(refs[0])


def test_the_first_manifest_wins(root: str) -> None:
    store = ArtifactStore(root)
    first, second = (store.writer("stage", 1, F, {}, {}) for _ in range(2))
    first.write_table("part-00000.parquet", table(1))
    second.write_json("extra.json", {})
    ref = first.commit({"who": "first"})
    assert second.commit({"who": "second"}) == ref
    assert store.manifest(ref).figures == {"who": "first"}


@pytest.mark.server
def test_a_commit_whose_answer_was_lost_is_a_commit(conditional: Proxy, tmp_path: Path) -> None:
    store = ArtifactStore(f"s3://ifrl/{tmp_path.name}")
    conditional.plan = lambda request: "lost" if request.method == "PUT" and request.number == 0 else None
    writer = store.writer("stage", 1, F, {}, {})
    with writer.alone():
        writer.write_table("part-00000.parquet", table(1))
        ref = writer.commit({"who": "me"})
    assert store.manifest(ref).figures == {"who": "me"}
    assert sum(fault == "lost" for fault, _ in conditional.faults) == 4  # lease, shard, record, manifest


@pytest.mark.server
def test_a_silent_lease_is_taken_over_and_a_beating_one_is_not(
    lease_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "PATIENCE_S", 3.0)
    monkeypatch.setattr(lease, "BEAT_S", 0.5)
    fs, _ = files.filesystem("s3://ifrl")
    elsewhere = json.dumps({"owner": "another", "machine": "another", "pid": 1, "started": 0.0, "beat": 1})
    fs.pipe_file(lease_path, elsewhere.encode())
    begun = time.monotonic()
    with locked(fs, lease_path, "x") as check:
        assert time.monotonic() - begun > 3
        times: list[float] = []

        def want() -> None:
            with locked(fs, lease_path, "x"):
                times.append(time.monotonic())

        other = threading.Thread(target=want)
        other.start()
        time.sleep(6)
        assert not times, "it was taken from a holder that gave signs of life"
        check()
    other.join(PATIENCE_S)
    assert times


@pytest.mark.server
def test_a_holder_that_was_replaced_writes_nothing_more(s3: Path, tmp_path: Path) -> None:
    store = ArtifactStore(f"s3://ifrl/{tmp_path.name}")
    writer = store.writer("stage", 1, F, {}, {})
    with writer.alone():
        writer.write_table("part-00000.parquet", table(1))
        (lock,) = files.listing(store.fs, store.lock_folder)
        store.fs.pipe_file(f"{store.lock_folder}/{lock.path}", b'{"owner": "another"}')
        for write in (lambda: writer.write_table("part-00001.parquet", table(2)), lambda: writer.commit({})):
            with pytest.raises(ArtifactError, match="another run took over"):
                write()
    assert store.find("stage", F) is None
    assert store.fs.cat_file(f"{store.lock_folder}/{lock.path}") == b'{"owner": "another"}', "its lease was removed"


@pytest.mark.server
def test_who_does_not_wait_is_told(lease_path: str) -> None:
    fs, _ = files.filesystem("s3://ifrl")
    with locked(fs, lease_path, "x"), pytest.raises(HeldError):
        Lease(fs, lease_path).acquire(lambda: None, wait=False)


@pytest.mark.server
def test_gc_spares_what_a_live_lease_covers_and_takes_what_a_dead_one_left(s3: Path, tmp_path: Path) -> None:
    store = ArtifactStore(f"s3://ifrl/{tmp_path.name}")
    writer = store.writer("rollouts", 1, F, {}, {})
    with writer.alone():
        writer.write_table("part-00000.parquet", table(1))
        assert not leftovers(store, older_than_s=0)
    writer = store.writer("labels", 1, F, {}, {})
    writer.write_table("part-00000.parquet", table(1))
    lock = f"{store.lock_folder}/labels-{F[:32]}.lock"
    store.fs.pipe_file(lock, b'{"owner": "another", "machine": "another"}')
    (leftover,) = leftovers(store, older_than_s=0)
    assert leftover.path.endswith(f"rollouts/{F}")
    os.utime(s3 / "data" / lock, (0, 0))
    items = leftovers(store, older_than_s=0)
    assert {item.kind for item in items} == {"unfinished artifact", "lock"}
    for item in items:
        assert remove(store, item) or item.kind == "lock"  # a folder's own lock goes with it
    assert not files.listing(store.fs, store.base)


def test_waiting_is_said_once(store: ArtifactStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        with store.lock("stage", F):
            other = threading.Thread(target=lambda: store.lock("stage", F).__enter__())
            other.start()
            wait_until(lambda: caplog.records)
            time.sleep(1)
        other.join(PATIENCE_S)
    assert [record.message for record in caplog.records] == [
        f"stage {F[:12]}: another run is making it; waiting for its result"
    ]
