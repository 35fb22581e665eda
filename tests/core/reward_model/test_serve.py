"""`ifrl serve` as a process: real sockets, a real model, real signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from flows.cli.main import app
from ifrl_core.reward_model.model.score import RewardModel
from tests.patience import PATIENCE_S

WORDS = ["the", "river", "runs", "past", "a", "small", "market", "where", "people", "trade", "bread", "and", "music"]
CONSTRAINTS = ["Be kind.", "No commas.", "Answer in all capital letters.", "Write a poem about the sea."]
ANSWERS = [" ".join(WORDS[: 4 + n % 9]) + f" {n}" for n in range(30)]


@dataclass
class Service:
    url: str
    process: subprocess.Popen[str]
    client: httpx.Client


def _start(folder: Path, *options: str) -> Service:
    """The service on a free port, in float32."""
    command = [sys.executable, "-m", "flows.cli", "serve", str(folder), "--port", "0", "--dtype", "float32", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TOKEN": "secret"})
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found
    httpx.get(f"{found[0]}/health")  # the line is printed once it listens: no client has to try again
    return Service(found[0], process, httpx.Client(base_url=found[0], timeout=PATIENCE_S))


@pytest.fixture(scope="module")
def service(reward_model: Path) -> Iterator[Service]:
    made = _start(reward_model)
    yield made
    made.process.terminate()
    made.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def offline(reward_model: Path) -> RewardModel:
    return RewardModel(reward_model, dtype="float32")


@pytest.mark.model
@pytest.mark.server
def test_many_clients_at_once_get_what_offline_scoring_gives(service: Service, offline: RewardModel) -> None:
    pairs = [(answer, constraint) for answer in ANSWERS for constraint in CONSTRAINTS]
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=40)) as client:

        def predict(pair: tuple[str, str]) -> httpx.Response:
            return client.post("/predict", json={"question": pair[1], "answer": pair[0]})

        def score(answer: str) -> httpx.Response:
            return client.post("/v1/score", json={"response": answer, "constraints": CONSTRAINTS})

        with ThreadPoolExecutor(40) as pool:
            single = list(pool.map(predict, pairs))
            batches = list(pool.map(score, ANSWERS))
    assert {found.status_code for found in (*single, *batches)} == {200}
    expected = offline.probabilities(pairs)
    assert [found.json()["value"] for found in single] == pytest.approx(expected, abs=1e-4)
    assert [p for found in batches for p in found.json()["probabilities"]] == pytest.approx(expected, abs=1e-4)
    assert len({round(p, 5) for p in expected if p is not None}) > 20


@pytest.mark.model
@pytest.mark.server
def test_pairs_sent_one_by_one_meet_in_batches(service: Service) -> None:
    """Those that are there at once: the service stands still while they are sent."""
    before = counts_of(service.client.get("/metrics").text)
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client, ThreadPoolExecutor(30) as pool:
        os.kill(service.process.pid, signal.SIGSTOP)
        asked = [pool.submit(client.post, "/predict", json={"question": "Be kind.", "answer": a}) for a in ANSWERS]
        time.sleep(1)
        os.kill(service.process.pid, signal.SIGCONT)
        assert {future.result().status_code for future in asked} == {200}
    after = counts_of(service.client.get("/metrics").text)
    pairs, batches = (after[name] - before[name] for name in ("ifrl_batch_pairs_sum", "ifrl_batch_pairs_count"))
    assert pairs == len(ANSWERS) > 4 * batches


def counts_of(metrics: str) -> dict[str, float]:
    return {name: float(count) for name, count in re.findall(r"^(ifrl_\w+) (\S+)$", metrics, re.MULTILINE)}


@pytest.mark.model
@pytest.mark.server
@settings(max_examples=40, deadline=None)
@given(noise=st.binary(max_size=300), announced=st.integers(0, 600))
def test_noise_on_the_socket_ends_no_more_than_its_connection(service: Service, noise: bytes, announced: int) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    for head in (b"", f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {announced}\r\n\r\n".encode()):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(head + noise)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(12)
        assert not answer.startswith(b"HTTP/1.1 5")
    assert service.client.post("/predict", json={"question": "x", "answer": "y"}).status_code == 200
    assert service.process.poll() is None


@pytest.mark.model
@pytest.mark.server
def test_sigterm_under_load_finishes_what_was_accepted(reward_model: Path, offline: RewardModel) -> None:
    service = _start(reward_model, "--batch-pairs", "8", "--token-env", "TOKEN")
    header = {"Authorization": "Bearer secret"}
    constraints = [f"{constraint} {n}" for constraint in CONSTRAINTS for n in range(3)]

    def score(answer: str) -> httpx.Response:
        body = {"response": answer, "constraints": constraints}
        return service.client.post("/v1/score", json=body, headers=header)

    def counted() -> tuple[float, float]:
        """Pairs that wait, and pairs that were scored."""
        counts = counts_of(service.client.get("/metrics", headers=header).text)
        return counts["ifrl_queue_pairs"], counts["ifrl_pairs_total"]

    with ThreadPoolExecutor(len(ANSWERS)) as pool:
        for asked in range(1, 20):
            waiting = [pool.submit(score, answer) for answer in ANSWERS]
            while sum(counts := counted()) < asked * len(ANSWERS) * len(constraints):
                pass
            if (
                counts[0] > 50
            ):  # the signal comes while there is work; where all is done by now, it is asked for once more
                break
        service.process.send_signal(signal.SIGTERM)
        responses = [future.result() for future in waiting]
    assert {found.status_code for found in responses} == {200}
    found = [p for response in responses for p in response.json()["probabilities"]]
    assert found == pytest.approx(
        offline.probabilities([(answer, c) for answer in ANSWERS for c in constraints]), abs=1e-4
    )
    assert service.process.wait(PATIENCE_S) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/health")


def _fails(*options: str) -> str:
    done = CliRunner().invoke(app, ["serve", *options], env={"EMPTY": ""})
    assert done.exit_code == 1
    return str(done.exception)


def test_a_port_that_is_taken_and_a_token_that_is_missing_are_said_before_the_model_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = _fails(str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert "choose another --host or --port" in said
    assert "EMPTY has to hold a token" in _fails(str(tmp_path), "--port", "0", "--token-env", "EMPTY")
    assert "cannot listen on no.such.host.invalid" in _fails(
        str(tmp_path), "--port", "0", "--host", "no.such.host.invalid"
    )


def test_a_folder_without_a_reward_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert "is not a reward model" in _fails(str(tmp_path), "--port", "0")
