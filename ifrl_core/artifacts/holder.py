"""Which process holds a lease, as JSON values, and whether it still runs."""

import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"machine": _machine(), "pid": pid, "started": psutil.Process(pid).create_time()}


def has_ended(holder: Mapping[str, Any]) -> bool:
    """Whether `holder` was a process of this machine that no longer runs; of other machines it cannot be known."""
    if holder.get("machine") != _machine():
        return False
    try:
        return bool(psutil.Process(holder["pid"]).create_time() != holder["started"])
    except psutil.NoSuchProcess:
        return True


@cache
def _machine() -> str:
    """Name, boot and process namespace: two containers of one host are two machines."""
    parts = [socket.gethostname(), f"{psutil.boot_time():.0f}"]
    if (namespace := Path("/proc/self/ns/pid")).exists():
        parts.append(os.readlink(namespace))
    return " ".join(parts)
