"""An HTTP proxy in front of a real S3 server that fails as it is told, and can add the conditional writes of S3 itself.

`plan(request)` is asked about every request: None passes it on; "503" refuses, "slow" answers late, "cut" ends the answer's
body (of a PUT: the request's body) half way, "lost" does what was asked and hangs up without an answer. While `refusing()`,
nobody listens.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.patience import PATIENCE_S
from tests.ports import free_port

Fault = Literal["503", "slow", "cut", "lost"]
SLOW_S = 2.0
_NOT_PASSED_ON = {"connection", "expect", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    number: int  # of the requests with this method and path, from 0


Plan = Callable[[Request], Fault | None]


@dataclass
class Proxy:
    """`plan` may be replaced at any time. `faults` counts what was done; `etags` is what was written through here;
    `sent` counts the bytes of answers' bodies."""

    upstream: str
    conditional: bool = False
    plan: Plan = lambda request: None
    port: int = field(default_factory=free_port)  # to be had again after each refusing
    faults: list[tuple[Fault, Request]] = field(default_factory=list)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    counting: threading.Lock = field(default_factory=threading.Lock)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that went away, or was sent away

        proxy = self
        self.server = Server(("127.0.0.1", self.port), type("ProxyHandler", (_Handler,), {"proxy": proxy}))
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Connections are refused inside the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@contextmanager
def proxying(upstream: str, *, conditional: bool = False) -> Iterator[Proxy]:
    proxy = Proxy(upstream, conditional)
    proxy.start()
    try:
        yield proxy
    finally:
        if proxy.server is not None:
            proxy.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def answer(self) -> None:
        proxy, key = self.proxy, (self.command, urlsplit(self.path).path)
        if proxy.server is None:  # a connection from before nobody listened
            self.close_connection = True
            return
        with proxy.lock:
            number = proxy.seen[key] = proxy.seen.get(key, -1) + 1
        request = Request(self.command, key[1], number)
        fault = proxy.plan(request)
        if fault:
            proxy.faults.append((fault, request))
        length = int(self.headers.get("Content-Length") or 0)
        if fault == "cut" and length:
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault == "503":
            return self.reply(503, _error("ServiceUnavailable"), {})
        if not proxy.conditional:
            return self.pass_on(body, fault)
        with proxy.lock:  # a condition and the write it guards are one step
            etag = proxy.etags.get(key[1])
            condition = self.headers.get("If-Match")
            if (self.headers.get("If-None-Match") == "*" and etag) or (condition and condition != etag):
                return self.reply(412, _error("PreconditionFailed"), {})
            self.pass_on(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def pass_on(self, body: bytes, fault: Fault | None) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=PATIENCE_S)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        connection.request(self.command, self.path, body or None, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        path = urlsplit(self.path).path
        if self.command == "PUT" and response.status == 200:
            self.proxy.etags[path] = response.getheader("ETag", "")
        if self.command == "DELETE":
            self.proxy.etags.pop(path, None)
        if fault == "lost":
            self.close_connection = True
            return
        self.reply(response.status, data, dict(response.getheaders()), cut=fault == "cut")

    def reply(self, status: int, data: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            body = data[: len(data) // 2] if cut else data
            self.wfile.write(body)
            with self.proxy.counting:
                self.proxy.sent += len(body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _error(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>as the test wants</Message></Error>'.encode()
