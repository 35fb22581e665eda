"""A reward model over HTTP gives what the same model gives here, and says what is wrong when it does not."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from ifrl_core.errors import InferenceError
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.serve.client import RewardModelClient
from tests.core.inference.fault_server import serving
from tests.core.reward_model.test_serve import ANSWERS, CONSTRAINTS, _start
from tests.patience import PATIENCE_S
from tests.ports import free_port

PAIRS = [(answer, constraint) for constraint in CONSTRAINTS for answer in ANSWERS[:5]]  # answers come back again


@pytest.mark.model
@pytest.mark.server
def test_it_scores_as_the_model_itself_and_a_refusal_names_the_reason(
    reward_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = _start(reward_model, "--token-env", "TOKEN")
    try:
        client = RewardModelClient([service.url], token="secret")
        expected = RewardModel(reward_model, dtype="float32").probabilities(PAIRS)
        assert client.probabilities(PAIRS) == pytest.approx(expected, abs=1e-4)
        with pytest.raises(InferenceError, match=r"refused a request with 401"):
            RewardModelClient([service.url]).probabilities(PAIRS)
        monkeypatch.setenv("IFRL_REWARD_MODEL_URL", f"{service.url}, {service.url}/")
        monkeypatch.setenv("IFRL_REWARD_MODEL_TOKEN", "secret")
        rows = [{"response": response, "constraint": constraint} for response, constraint in PAIRS]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = ["score", str(tmp_path / "in.jsonl"), "--reward-model", str(reward_model), "--engine", "server"]
        assert CliRunner().invoke(app, command).exit_code == 0
        lines = (tmp_path / "in-scored.jsonl").read_text().splitlines()
        assert [json.loads(line)["probability"] for line in lines] == pytest.approx(expected, abs=1e-4)
        refused = CliRunner().invoke(app, [*command, "--dtype", "float32"])
        assert "--dtype float32 is for a model that is loaded here" in str(refused.exception)
    finally:
        service.process.terminate()
        service.process.wait(PATIENCE_S)


def test_one_that_is_away_is_asked_again_and_then_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(InferenceError, match=rf"each tried 3 times or more .*{url}: ConnectError"):
        RewardModelClient([url], patience=3, first_rest_s=0.01).probabilities(PAIRS)


@pytest.mark.parametrize("body", [b"<html>", {"probabilities": [0.5]}, {"probabilities": [0.5, 7]}, {"value": 1}, []])
def test_an_answer_that_is_none_is_shown_at_once(body: Any) -> None:
    with serving(lambda _, number: (200, body, {})) as server:
        url = server.url.removesuffix("/v1")
        with pytest.raises(InferenceError, match=rf"{url} answers .* expected probabilities, a list of 2 numbers"):
            RewardModelClient([url]).probabilities([("a", "b"), ("a", "c")])
        assert len(server.bodies) == 1


def test_replicas_share_the_pairs_and_what_one_cannot_another_scores() -> None:
    def scores(body: Any, number: int) -> Any:
        return 200, {"probabilities": [len(constraint) / 100 for constraint in body["constraints"]]}, {}

    def breaks(body: Any, number: int) -> Any:
        return scores(body, number) if number < 3 else (503, {"error": "the device has failed"}, {})

    pairs = [(f"answer {index}", "x" * (1 + index % 7)) for index in range(60)]
    with serving(scores) as well, serving(scores) as other, serving(breaks) as broken:
        urls = [server.url.removesuffix("/v1") for server in (well, other, broken)]
        client = RewardModelClient(urls, concurrency=2, first_rest_s=30)
        assert client.probabilities(pairs) == [len(constraint) / 100 for _, constraint in pairs]
        assert len(well.bodies) + len(other.bodies) == 60 - 3
        assert min(len(well.bodies), len(other.bodies)) > 9, "each has its share"
