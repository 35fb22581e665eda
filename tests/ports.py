"""Ports for servers of tests."""

import random
import socket
from contextlib import suppress

_draw = random.SystemRandom()  # the processes of a test run draw different ones


def free_port() -> int:
    """A port of this machine that nobody listens on. It lies below those that the kernel gives to outgoing connections, one
    of which may take a port before its server does, or while that is down."""
    while True:
        port = _draw.randrange(15_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
