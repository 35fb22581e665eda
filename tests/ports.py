"""Ports for servers of tests."""

import os
import random
import socket
from contextlib import suppress

# Below those that the kernel gives to outgoing connections, one of which may take a port before its server does, or while
# that is down.
_ALL = range(15_000, 30_000)
_draw = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A port of this machine that nobody listens on, and that no test of this test run is given besides: each of its
    processes (pytest-xdist's gw0, gw1) has ports of its own, and gives each of them once."""
    of_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = _ALL[of_process::processes]
    while True:
        port = _draw.choice(ports)
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
