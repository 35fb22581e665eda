"""The service's promises, without a model: what it answers, what it refuses and why, how requests meet in a batch."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifrl_core.errors import ConfigError
from ifrl_core.reward_model.model.settings import folder_digest
from ifrl_core.reward_model.serve.app import make_app
from ifrl_core.reward_model.serve.batcher import Batcher, QueueFullError
from ifrl_core.reward_model.serve.client import RewardModelClient
from ifrl_core.reward_model.serve.limits import Limits
from ifrl_core.reward_model.serve.metrics import Metrics
from tests.patience import PATIENCE_S


class LengthScorer:
    """Stands for a model where only the service matters. It can be held, and it breaks on `!`; `?` it cannot score."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, str]]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        self.batches.append(list(pairs))
        self.go_on.wait(PATIENCE_S)
        if any(constraint == "!" for _, constraint in pairs):
            raise RuntimeError("broken")
        return [None if constraint == "?" else 1 / (1 + len(constraint)) for _, constraint in pairs]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    limits = Limits(body_bytes=10_000, queue_pairs=50, gather_seconds=0)
    with TestClient(make_app(LengthScorer(), limits, model="toy"), raise_server_exceptions=False) as made:
        yield made


def test_predict_answers_as_the_papers_service_does(client: TestClient) -> None:
    found = client.post("/predict", json={"question": "x", "answer": "Blue."})
    assert found.status_code == 200
    assert found.json() == {"value": 0.5, "pred": 1, "question": "x", "answer": "Blue."}
    assert client.post("/predict", json={"question": "xx", "answer": "Blue."}).json()["pred"] == 0


def test_score_answers_in_the_order_of_the_constraints_with_null_for_what_cannot_be_scored(client: TestClient) -> None:
    found = client.post("/v1/score", json={"response": "Blue.", "constraints": ["xxx", "?", "x"]})
    assert found.json() == {"probabilities": [0.25, None, 0.5]}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported", 503),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", 503),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", 200),
        ("The size of tensor a (3) must match the size of tensor b (4)", 200),
    ],
)
def test_a_fault_of_the_device_is_told_by_health_and_no_other_is(words: str, status: int) -> None:
    class Device(LengthScorer):
        def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
            if pairs[0][1] == "!":
                raise RuntimeError(words)
            return super().probabilities(pairs)

    with TestClient(make_app(Device(), Limits(gather_seconds=0), model="toy"), raise_server_exceptions=False) as client:
        assert client.get("/health").json() == {"status": "ok", "model": "toy", "digest": ""}
        client.post("/predict", json={"question": "!", "answer": "y"})
        health = client.get("/health")
        assert health.status_code == client.post("/predict", json=PAIR).status_code == status
        assert f"ifrl_healthy {float(status == 200)}" in client.get("/metrics").text
        if status == 503:
            assert words.splitlines()[0] in health.json()["error"]


PAIR = {"question": "x", "answer": "y"}
BAD = [
    (b"", 400, "Invalid JSON"),
    (b'{"question": "x", "answer": ', 400, "Invalid JSON"),
    (b'{"question": "\xff", "answer": "y"}', 400, "not UTF-8: byte 14 is 0xff"),
    (b'{"question": "\\ud800", "answer": "y"}', 400, "hex escape"),
    (b"[" * 5_000, 400, "recursion limit"),
    (b"[]", 422, "should be an object"),
    (b'{"question": "x"}', 422, "answer: Field required"),
    (b'{"question": "x", "answer": 3}', 422, "answer: Input should be a valid string"),
    (b'{"question": null, "answer": "y"}', 422, "question: Input should be a valid string"),
    (b'{"question": "", "answer": "y"}', 422, "question: String should have at least 1 character"),
    (b'{"question": "?", "answer": "y"}', 422, "cannot be scored"),
    (json.dumps({"question": "x" * 10_000, "answer": "y"}).encode(), 413, "longer than 10000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "says"), BAD)
def test_a_bad_body_is_refused_with_its_reason(client: TestClient, body: bytes, status: int, says: str) -> None:
    found = client.post("/predict", content=body)
    assert found.status_code == status
    assert says in found.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"response": "x", "constraints": []}, 422, "constraints: List should have at least 1 item"),
        ({"response": "x", "constraints": ["y", ""]}, 422, "constraints.1: String should have at least 1 character"),
        ({"response": "x", "constraints": "y"}, 422, "constraints: Input should be a valid "),
        ({"response": "x", "constraints": ["y"], "model": "z"}, 422, "model: Extra inputs"),
        ({"response": "x", "constraints": ["y"] * 51}, 413, "51 constraints in a request; at most 50"),
    ],
)
def test_a_bad_batch_is_refused_with_its_reason(
    client: TestClient, body: dict[str, Any], status: int, says: str
) -> None:
    found = client.post("/v1/score", json=body)
    assert found.status_code == status
    assert says in found.json()["error"]


def test_a_body_without_announced_length_is_cut_off_too(client: TestClient) -> None:
    found = client.post("/predict", content=iter([b"x" * 6_000, b"x" * 6_000]))
    assert found.status_code == 413


def test_unknown_paths_and_methods_are_refused_in_the_same_form(client: TestClient) -> None:
    assert client.get("/predict").json() == {"error": "Method Not Allowed: GET /predict"}
    found = client.post("/v2/score", json={})
    assert (found.status_code, found.json()) == (404, {"error": "Not Found: POST /v2/score"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries({}, optional=dict.fromkeys(["question", "answer", "response", "constraints"], JSON))
BODIES = st.binary(max_size=200) | (JSON | NEARLY).map(lambda value: json.dumps(value).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/predict", "/v1/score"]), body=BODIES)
def test_no_body_breaks_the_service(client: TestClient, path: str, body: bytes) -> None:
    found = client.post(path, content=body)
    if found.status_code != 200:
        assert found.status_code in (400, 413, 422)
        assert len(found.json()["error"]) > 10
    assert client.post("/predict", json=PAIR).json()["value"] == 0.5


def test_a_model_that_fails_fails_its_batch_alone(client: TestClient) -> None:
    found = client.post("/predict", json={"question": "!", "answer": "y"})
    assert found.status_code == 500
    assert "error" in found.json()
    assert client.post("/predict", json=PAIR).status_code == 200


def test_a_token_is_asked_for_everywhere_but_on_health() -> None:
    with TestClient(make_app(LengthScorer(), Limits(), model="toy", token="secret")) as guarded:
        assert guarded.get("/health").json() == {"status": "ok", "model": "toy", "digest": ""}
        for header in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "secret"},
            {"Authorization": b"Bearer \xff"},
        ):
            asked = [guarded.post(path, json=PAIR, headers=header) for path in ("/predict", "/v1/score")]
            for found in (*asked, guarded.get("/metrics", headers=header)):
                assert found.status_code == 401
                assert found.headers["WWW-Authenticate"] == "Bearer"
                assert "Authorization: Bearer" in found.json()["error"]
        right = {"Authorization": "Bearer secret"}
        assert guarded.post("/predict", json=PAIR, headers=right).status_code == 200


def test_metrics_count_requests_by_path_and_status() -> None:
    with TestClient(make_app(LengthScorer(), Limits(), model="toy")) as counted:
        counted.post("/v1/score", json={"response": "x", "constraints": ["y", "?"]})
        counted.post("/predict", content=b"{")
        counted.get("/favicon.ico")
        lines = counted.get("/metrics").text.splitlines()
    for line in (
        'ifrl_requests_total{path="/v1/score",status="200"} 1.0',
        'ifrl_requests_total{path="/predict",status="400"} 1.0',
        'ifrl_requests_total{path="other",status="404"} 1.0',
        "ifrl_pairs_total 2.0",
        "ifrl_unscored_pairs_total 1.0",
        "ifrl_queue_pairs 0.0",
        "ifrl_batch_answers_count 1.0",
    ):
        assert line in lines


@asynccontextmanager
async def _running(scorer: LengthScorer, limits: Limits) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(scorer, limits, model="toy")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


def test_a_full_queue_says_when_to_come_back_and_answers_what_it_took() -> None:
    async def scenario() -> None:
        scorer = LengthScorer()
        async with _running(scorer, Limits(queue_pairs=4)) as client:
            scorer.go_on.clear()
            body = {"response": "x", "constraints": ["y", "z"]}
            taken = [asyncio.create_task(client.post("/v1/score", json=body)) for _ in range(2)]
            while "ifrl_queue_pairs 4.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.01)
            refused = await client.post("/predict", json=PAIR)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            scorer.go_on.set()
            assert [found.status_code for found in await asyncio.gather(*taken)] == [200, 200]
            assert (await client.post("/predict", json=PAIR)).status_code == 200

    asyncio.run(scenario())


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async def scenario() -> None:
        async with _running(LengthScorer(), Limits(body_seconds=0.05)) as client:
            found = await client.post("/predict", content=never())
            assert found.status_code == 408

    asyncio.run(scenario())


@pytest.fixture
def scorer() -> LengthScorer:
    return LengthScorer()


def _batcher(scorer: LengthScorer, **limits: Any) -> Batcher:
    made = Batcher(scorer, Limits(**limits), Metrics())
    made.start()
    return made


def _hold(scorer: LengthScorer, batcher: Batcher) -> None:
    """Have the thread busy with a first request."""
    scorer.go_on.clear()
    batcher.submit("first", ["x"])
    while not scorer.batches:
        threading.Event().wait(0.001)


def test_requests_that_share_an_answer_meet_in_a_batch(scorer: LengthScorer) -> None:
    batcher = _batcher(scorer, batch_pairs=4)
    _hold(scorer, batcher)
    constraints = ("x", "xx", "xxx")
    futures = [batcher.submit(answer, [constraint]) for constraint in constraints for answer in ("a", "b", "c")]
    scorer.go_on.set()
    batcher.close()
    assert scorer.batches[1:] == [
        [(answer, constraint) for answer in ("a", "b") for constraint in constraints],
        [("c", constraint) for constraint in constraints],
    ]
    assert [future.result(0) for future in futures] == [[1 / (1 + len(c))] for c in constraints for _ in range(3)]


def test_closing_scores_what_was_accepted_and_takes_no_more(scorer: LengthScorer) -> None:
    batcher = _batcher(scorer, batch_pairs=2)
    _hold(scorer, batcher)
    futures = [batcher.submit(f"answer {n}", ["x"]) for n in range(9)]
    threading.Timer(0.05, scorer.go_on.set).start()
    batcher.close()
    assert [future.result(0) for future in futures] == [[0.5]] * 9
    with pytest.raises(RuntimeError, match="shutting down"):
        batcher.submit("late", ["x"])


def test_a_client_that_went_away_costs_nothing_and_harms_nobody(scorer: LengthScorer) -> None:
    batcher = _batcher(scorer, queue_pairs=3)
    _hold(scorer, batcher)
    gone, waiting = batcher.submit("gone", ["x"]), batcher.submit("waiting", ["x"])
    assert gone.cancel()
    with pytest.raises(QueueFullError):
        batcher.submit("more", ["x"])
    scorer.go_on.set()
    assert waiting.result(PATIENCE_S) == [0.5]
    batcher.close()
    assert scorer.batches[1] == [("waiting", "x")]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(1, 9), min_size=1, max_size=4)), max_size=20))
def test_everyone_gets_their_own_answers(requests: list[tuple[int, list[int]]]) -> None:
    scorer = LengthScorer()
    batcher = _batcher(scorer, batch_pairs=5)
    futures = [batcher.submit(f"answer {answer}", ["x" * n for n in lengths]) for answer, lengths in requests]
    batcher.close()
    assert [future.result(0) for future in futures] == [[1 / (1 + n) for n in lengths] for _, lengths in requests]


@pytest.mark.parametrize("change", ["model.safetensors", "reward_model.json", "tokenizer.json"])
def test_a_service_of_another_model_is_refused_by_both_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    for folder in (mine := tmp_path / "mine", other := tmp_path / "other"):
        folder.mkdir()
        for name in ("model.safetensors", "reward_model.json", "tokenizer.json"):
            (folder / name).write_text(name)
    (other / change).write_text("another")
    asked = RewardModelClient(["http://testserver"])
    for served, fine in ((mine, True), (other, False)):
        digest = folder_digest(served)
        with TestClient(make_app(LengthScorer(), Limits(), model=str(served), digest=digest)) as client:
            monkeypatch.setattr(asked, "_client", client)
            if fine:
                asked.check_serves(mine)
                continue
            with pytest.raises(
                ConfigError, match=f"serves the model {digest[:12]}.*{folder_digest(mine)[:12]}.*ifrl serve"
            ):
                asked.check_serves(mine)


def test_a_service_that_names_no_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = RewardModelClient(["http://testserver"])
    with TestClient(make_app(LengthScorer(), Limits(), model="toy")) as client:
        monkeypatch.setattr(asked, "_client", client)
        with pytest.raises(ConfigError, match="a model that it does not name"):
            asked.check_serves(tmp_path)
