"""Small HTTP servers on real sockets that answer chat completions, or fail in a chosen way."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Reply = tuple[int, Body | bytes, dict[str, str]]


def completion(text: str, finish_reason: str = "stop") -> Body:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": len(text.split())}
    return {"choices": [choice], "usage": usage}


def echo(body: Body, number: int) -> Reply:
    """The prompt and the seed, so that a test sees which request an answer belongs to."""
    return 200, completion(f"{body['messages'][-1]['content']} / {body['seed']}"), {}


@dataclass
class Asked:
    """The requests a server got: bodies, headers, and how many were in flight at most."""

    url: str
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(reply: Callable[[Body, int], Reply | None] = echo, *, delay_s: float = 0.0) -> Iterator[Asked]:
    """A server whose n-th request (from 0) gets `reply(body, n)`; None hangs up without an answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with asked.lock:
                number = len(asked.bodies)
                asked.bodies.append(body)
                asked.headers.append(dict(self.headers))
                asked.in_flight += 1
                asked.most_in_flight = max(asked.most_in_flight, asked.in_flight)
            time.sleep(delay_s)
            answer = reply(body, number)
            with asked.lock:
                asked.in_flight -= 1
            if answer is None:
                self.close_connection = True
                return
            status, document, headers = answer
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    asked = Asked(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
