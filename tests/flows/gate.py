"""A gate in front of a server: while it is shut, connections are cut and refused, as when the server is stopped."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.ports import free_port

_CHUNK = 1 << 16


class Gate:
    """Passes bytes on between its own port and a server's."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (str(parts.hostname), int(parts.port or 80))
        self._open: set[socket.socket] = set()
        self._listening: socket.socket | None = None
        self.port = free_port()  # it is to be had again after each shutting
        self._listen()

    def of(self, url: str) -> str:
        """A URL of the server, through the gate."""
        parts = urlsplit(url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return parts._replace(netloc=f"{user}127.0.0.1:{self.port}").geturl()

    def shut(self) -> None:
        assert self._listening is not None
        listening, self._listening = self._listening, None
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._listen()

    @contextmanager
    def shutting(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()

    def _listen(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(128)
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
                server = socket.create_connection(self._server)
            except OSError:
                if self._listening is not listening:
                    return
                continue
            self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()


@contextmanager
def gate(url: str) -> Iterator[Gate]:
    made = Gate(url)
    try:
        yield made
    finally:
        if made._listening is not None:
            made.shut()
