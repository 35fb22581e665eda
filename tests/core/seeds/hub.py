"""A Hub of one dataset, org/name: what huggingface_hub's filesystem asks for, answered from a dict of files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ROOT = "/api/datasets/org/name"


@contextmanager
def hub(files: Mapping[str, bytes]) -> Iterator[str]:
    """Its address, as HF_ENDPOINT takes it."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if "/resolve/" in path:
                self._send(files[path.partition("/resolve/")[2].partition("/")[2]])
            elif path.startswith(f"{ROOT}/tree/"):
                listed = [{"type": "file", "path": name, "size": len(data), "oid": "b"} for name, data in files.items()]
                self._json(listed)
            elif path == ROOT:
                self._json({"id": "org/name", "_id": "1", "sha": "a" * 40, "siblings": []})
            else:
                self._json({"error": "no such dataset"}, 404)

        def _json(self, document: Any, status: int = 200) -> None:
            self._send(json.dumps(document).encode(), status)

        def _send(self, data: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"e"')
            self.send_header("X-Repo-Commit", "a" * 40)
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815  (its body is sent too, and not read)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
