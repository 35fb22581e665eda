"""Waiting for a run on another pool: an outage is waited out, a refusal is not."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Running

from deployments.wanted import server_file
from flows.execution import alive, child_runs
from flows.execution.alive import OBJECTION, Doubt, has_objected, is_taken_for_dead

ANSWERS: list[int] = []  # status codes still to be given; the last one stays


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = ANSWERS.pop(0) if len(ANSWERS) > 1 else ANSWERS[0]
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{listening.server_port}/api"}):
            yield
        listening.shutdown()


@pytest.mark.usefixtures("server")
def test_a_refusal_ends_the_wait_and_an_outage_before_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_runs, "_POLL_S", 0.01)
    ANSWERS[:] = [500, 500, 401]
    with pytest.raises(httpx.HTTPStatusError) as refused:
        child_runs._final_state(uuid4())
    assert refused.value.response.status_code == 401
    assert ANSWERS == [401]


def test_a_run_that_is_taken_for_dead_gets_time_to_object(monkeypatch: pytest.MonkeyPatch) -> None:
    (automation,) = (item for item in server_file().automations if item["name"] == "ifrl-no-heartbeat")
    (action,) = automation["actions"]
    silent, killed = Crashed(message=action["message"]), Crashed(message="exited with code -9")
    assert is_taken_for_dead(silent)
    monkeypatch.setattr(alive, "OBJECTS_WITHIN_S", 0.05)
    doubt = Doubt()
    assert has_objected(Running(message=OBJECTION))
    assert not has_objected(Running())
    assert not doubt.of(killed)
    assert doubt.of(silent)
    assert not doubt.of(Running())
    assert doubt.of(silent)
    time.sleep(0.06)
    assert not doubt.of(silent)
