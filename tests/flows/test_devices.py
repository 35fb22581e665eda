"""Which workers and tasks have a GPU of their own; that they take it: core/inference/test_devices.py, test_execution.py."""

import os
import time
from typing import Any

import pytest

from flows.execution.call import Call
from flows.execution.here import devices_of_workers, gpu_a_task
from ifrl_core.config import ExecutionConfig, RolloutsConfig
from ifrl_core.inference.devices import SHARED_OUT, VISIBLE, take_device
from ifrl_core.rollouts.stage import make_rollouts

SERVED = RolloutsConfig(engine="server", served_model="m")
LOCAL = RolloutsConfig()


def shards_of(config: RolloutsConfig) -> Call:
    return Call(make_rollouts, config, {}, seed=0)


@pytest.mark.parametrize(
    ("visible", "runner", "config", "shared"),
    [
        ("0,1", "processes", LOCAL, "0,1"),
        ("0", "processes", LOCAL, None),
        ("", "processes", LOCAL, None),
        ("0,1", "threads", LOCAL, None),
        ("0,1", "processes", SERVED, None),
    ],
)
def test_devices_are_shared_out_where_there_are_several_and_models_are_loaded(
    visible: str, runner: Any, config: RolloutsConfig, shared: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, visible)
    with devices_of_workers(shards_of(config), ExecutionConfig(runner=runner, workers=2)):
        assert os.environ.get(SHARED_OUT) == shared
        take_device()  # nothing to a process that is no worker
        assert os.environ[VISIBLE] == visible
    assert SHARED_OUT not in os.environ


@pytest.mark.soak
def test_each_task_asks_ray_for_a_gpu_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from prefect_ray.context import RemoteOptionsContext

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False)
    try:
        with gpu_a_task(shards_of(LOCAL), ExecutionConfig(runner="ray", workers=2)):
            asked = RemoteOptionsContext.get().current_remote_options
        together = [ray.remote(**asked)(_seen_on_ray).remote() for _ in range(2)]
        assert sorted(ray.get(together)) == ["0", "1"]
        assert ray.get(ray.remote(num_gpus=0)(_seen_on_ray).remote()) == ""  # what does not ask sees none
    finally:
        ray.shutdown()


def _seen_on_ray() -> str:
    time.sleep(1)  # the other one is there by then
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.server  # of no server, but Ray takes seconds to import
@pytest.mark.parametrize(("gpus", "config", "asked"), [(2.0, LOCAL, 1), (0.0, LOCAL, 0), (2.0, SERVED, None)])
def test_what_a_task_asks_ray_for(
    gpus: float, config: RolloutsConfig, asked: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from prefect_ray.context import RemoteOptionsContext

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, **({"GPU": gpus} if gpus else {})})
    with gpu_a_task(shards_of(config), ExecutionConfig(runner="ray", workers=2)):
        assert RemoteOptionsContext.get().current_remote_options.get("num_gpus") == asked
