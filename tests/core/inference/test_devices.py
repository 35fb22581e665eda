"""GPUs of worker processes, seen in their environment; no GPU is needed to read it."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import SyncManager
from threading import Barrier

import pytest

from ifrl_core.inference.devices import VISIBLE, devices_here, shared_out, take_device
from tests.patience import PATIENCE_S


@pytest.mark.parametrize(
    ("visible", "devices"),
    [("0,1", ["0", "1"]), ("", []), ("2", ["2"]), ("GPU-ab, GPU-cd", ["GPU-ab", "GPU-cd"]), ("1,-1,0", ["1"])],
)
def test_the_devices_of_a_process_are_those_that_it_may_see(
    visible: str, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, visible)
    assert devices_here() == devices


def seen(environment: dict[str, str], together: Barrier) -> str | None:
    """What a worker sees after it was given its parent's environment, as Prefect's runner does for every task."""
    os.environ.update(environment)
    take_device()
    together.wait(PATIENCE_S)
    return os.environ.get(VISIBLE)


@pytest.mark.server  # of no server, but seconds
def test_workers_take_a_device_each_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    spawning = multiprocessing.get_context("spawn")
    with SyncManager(ctx=spawning) as manager, ProcessPoolExecutor(2, spawning) as pool:

        def by_two(visible: str) -> list[str | None]:
            monkeypatch.setenv(VISIBLE, visible)
            together = manager.Barrier(2)
            with shared_out(devices_here()):
                calls = [pool.submit(seen, {"IFRL_WORKER_DEVICES": "", **os.environ}, together) for _ in range(2)]
                return sorted(call.result() or "" for call in calls)

        assert by_two("4,5") == ["4", "5"]
        assert by_two("7") == ["7", "7"]
        assert by_two("") == ["", ""]
