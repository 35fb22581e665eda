"""The server engine against real OpenAI-compatible servers: `transformers serve` with two layers of the embedded model."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import InstructionsConfig, ModelWriterConfig, SeedsConfig
from ifrl_core.errors import InferenceError
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.server_engine import ServerEngine
from ifrl_core.instructions import stage as dataset
from ifrl_core.seeds import stage as seeds_stage
from tests.patience import PATIENCE_S
from tests.ports import free_port

pytestmark = [pytest.mark.server, pytest.mark.model, pytest.mark.timeout(1_200)]


@dataclass(frozen=True)
class ModelServer:
    url: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="module")
def folder(small_model_folder: Path) -> Path:
    return small_model_folder


@contextmanager
def transformers_serve(folder: Path, log: Path) -> Iterator[ModelServer]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu"], stdout=stream, stderr=stream, env=environment
        )
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        yield ModelServer(f"http://127.0.0.1:{port}/v1", process, log)
    finally:
        process.kill()
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            break
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def servers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ModelServer]]:
    logs = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        yield [stack.enter_context(transformers_serve(folder, logs / f"{name}.log")) for name in ("a", "b")]


def requests(count: int) -> list[Request]:
    return [Request([{"role": "user", "content": f"Name {i + 2} fruits."}], seed=i) for i in range(count)]


def test_real_answers_are_reproducible_and_counted(servers: list[ModelServer], folder: Path) -> None:
    engine = ServerEngine([servers[0].url], str(folder), concurrency=1, ends={2: "<|im_end|>"})
    sampling = Sampling(max_tokens=12, temperature=0.8, top_p=0.95)
    first, again = engine.generate(requests(3), sampling), engine.generate(requests(3), sampling)
    assert first == again
    assert len({item.text for item in first}) > 1
    for item in first:
        assert item.prompt_tokens > 5
        assert 0 < item.completion_tokens <= 12
        assert item.finish_reason == ("length" if item.completion_tokens == 12 else "stop")


def test_a_model_that_the_server_does_not_have_is_said_in_its_words(servers: list[ModelServer]) -> None:
    with pytest.raises(InferenceError, match=r"400.*no-such-model"):
        ServerEngine([servers[0].url], "no-such-model").generate(requests(1), Sampling(4))


def test_killing_a_server_in_the_middle_loses_and_doubles_nothing(servers: list[ModelServer], folder: Path) -> None:
    one, two = servers
    sampling = Sampling(max_tokens=8, temperature=0)
    undisturbed = ServerEngine([one.url], str(folder), concurrency=2).generate(requests(16), sampling)
    ServerEngine([two.url], str(folder)).generate(requests(1), sampling)  # what it loads for its first answer
    seen: list[int] = []

    def answers_of_two() -> int:
        return two.log.read_text().count("POST /v1/chat/completions")

    before = answers_of_two()

    def kill_after_four(done: int, total: int, message: str = "", **metrics: float) -> None:
        seen.append(done)
        if done >= 4 and answers_of_two() > before:
            two.process.send_signal(signal.SIGKILL)

    engine = ServerEngine([one.url, two.url], str(folder), concurrency=2, first_rest_s=0.2)
    completions = engine.generate(requests(16), sampling, kill_after_four)
    assert answers_of_two() > before, "the other one answered all: this test shows nothing"
    assert two.process.wait(PATIENCE_S) == -signal.SIGKILL
    assert seen == list(range(1, 17))
    assert [item.text for item in completions] == [item.text for item in undisturbed]


def test_the_llm_writer_asks_a_server_that_only_the_environment_names(
    servers: list[ModelServer], folder: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFRL_SERVER_URLS", servers[0].url)
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(SeedsConfig(train=2, held_out=2)), {}, store)
    writer = ModelWriterConfig(
        engine="server", served_model=str(folder), references=2, attempts=1, max_tokens=96, structured_output=False
    )
    config = InstructionsConfig(writer="llm", max_words=80, model_writer=writer)
    instructions = dataset.make_instructions(config, {"seeds": seeds}, store)
    figures = store.manifest(instructions).figures["writing"]
    assert figures["replies"] == figures["asked"] == 4
    assert figures["written"] + figures["rejected"] == 4
    raws = [row["raw"] for row in store.read_table(instructions, "rejected.parquet").to_pylist()]
    assert figures["written"] or any(raws)
    monkeypatch.delenv("IFRL_SERVER_URLS")
    assert dataset.make_instructions(config, {"seeds": seeds}, store) == instructions
