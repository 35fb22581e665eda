"""GPUs of worker processes on one machine: where there are several, each worker has its own.

CUDA reads which devices a process may see when it is first asked for one, so a worker says it before it loads a model.
"""

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
SHARED_OUT = "IFRL_WORKER_DEVICES"  # set for workers: the devices that they share out, with commas


def devices_here() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: numbers, or ids."""
    visible = os.environ.get(VISIBLE)
    if visible is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    named = [name.strip() for name in visible.split(",")]
    # As CUDA reads it: what follows an unusable name is not seen.
    return named[: next((place for place, name in enumerate(named) if name in ("", "-1")), len(named))]


@contextmanager
def shared_out(devices: Sequence[str]) -> Iterator[None]:
    """Inside, worker processes that are started take one each of `devices`; fewer than two are nothing to share out."""
    if len(devices) < 2:
        yield
        return
    os.environ[SHARED_OUT] = ",".join(devices)
    try:
        yield
    finally:
        del os.environ[SHARED_OUT]


def take_device() -> None:
    """In a worker process: see one of the devices that are shared out alone, the next worker another one."""
    parent, devices = multiprocessing.parent_process(), os.environ.get(SHARED_OUT)
    if parent is None or not devices:
        return
    names = devices.split(",")
    # Workers of a pool are numbered one after another.
    number = int(multiprocessing.current_process().name.rpartition("-")[2])
    os.environ[VISIBLE] = names[number % len(names)]
    log.info("worker %d of this pool has GPU %s", number, os.environ[VISIBLE])
