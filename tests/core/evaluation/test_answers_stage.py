"""The stage `answers`: each model at its own servers, shards that are there are not asked again, own answers as history."""

import csv
import json
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import BenchmarkConfig, EvaluationConfig
from ifrl_core.errors import InferenceError
from ifrl_core.evaluation.suite.answers import AnswersConfig, answer_in, answers_config, answers_of, make_answers
from ifrl_core.evaluation.suite.rows import benchmark_source, import_benchmark
from ifrl_core.evaluation.suite.served import ServedModel, name_served_model
from tests.core.inference.fault_server import Body, Reply, completion, serving

pytestmark = pytest.mark.server
ROWS = 5
TOO_LONG = "This model's maximum context length is 16 tokens. However, you requested 20 tokens."


def benchmark(store: ArtifactStore, folder: Path, prompts: list[str]) -> ArtifactRef:
    path = folder / "rows.jsonl"
    asked = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    path.write_text("".join(json.dumps({"key": n, "prompt": p, **asked}) + "\n" for n, p in enumerate(prompts)))
    return import_benchmark(benchmark_source("ifeval", BenchmarkConfig(path=(str(path),))), {}, store)


def served(store: ArtifactStore, name: str) -> ArtifactRef:
    return name_served_model(ServedModel(uri=f"server:{name}"), {}, store)


def config_of(name: str) -> AnswersConfig:
    section = EvaluationConfig(engine="server", served_model=name, served_policy="p", items_per_shard=2)
    return answers_config("ifeval", BenchmarkConfig(path=("x",), max_tokens=9), section)


def texts(store: ArtifactStore, ref: ArtifactRef) -> list[str]:
    return [answer_in(row) for rows in answers_of(ref, store, (0, ROWS)).values() for row in rows]


def test_each_model_is_asked_at_its_own_servers_and_what_is_there_is_not_asked_again(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = benchmark(store, tmp_path, [f"Row {n}." for n in range(ROWS)])

    def until_the_third(body: Body, number: int) -> Reply:
        return (
            (200, completion(f"base {body['model']}"), {})
            if number < 3
            else (401, {"error": "the key has expired"}, {})
        )

    def always(body: Body, number: int) -> Reply:
        return 200, completion(f"<think>so</think>{body['model']}: {body['messages'][0]['content']}"), {}

    with serving(until_the_third) as first, serving(always) as second, serving(always) as policy:
        monkeypatch.setenv("IFRL_SERVER_URLS", first.url)
        monkeypatch.setenv("IFRL_SERVER_URLS_POLICY_1", policy.url)
        inputs = {"benchmark": rows, "model": served(store, "base")}
        with pytest.raises(InferenceError, match="the key has expired"):
            make_answers(config_of("base"), inputs, store)
        monkeypatch.setenv("IFRL_SERVER_URLS", second.url)
        base = make_answers(config_of("base"), inputs, store)
        after = make_answers(config_of("policy-1"), inputs | {"model": served(store, "policy-1")}, store)
        assert make_answers(config_of("base"), inputs, store) == base
    assert texts(store, base) == ["base base", "base base", *(f"base: Row {n}." for n in (2, 3, 4))]
    assert texts(store, after) == [f"policy-1: Row {n}." for n in range(ROWS)]
    assert (len(second.bodies), len(policy.bodies)) == (3, ROWS)
    assert {body["max_tokens"] for body in policy.bodies} == {9}


def test_a_row_that_is_too_long_for_a_server_has_no_answer_and_ends_nothing(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_only(body: Body, number: int) -> Reply:
        long = len(body["messages"][0]["content"]) > 20
        return (400, {"error": {"message": TOO_LONG}}, {}) if long else (200, completion("fine"), {})

    rows = benchmark(store, tmp_path, ["Short.", "Long. " * 9, "Short too."])
    with serving(short_only) as server:
        monkeypatch.setenv("IFRL_SERVER_URLS", server.url)
        ref = make_answers(config_of("m"), {"benchmark": rows, "model": served(store, "m")}, store)
    assert texts(store, ref) == ["fine", "", "fine"]
    assert store.manifest(ref).figures["no_room"] == 1


def test_own_answers_without_their_reasoning_are_the_history_of_later_turns(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = {
        f"turn_{k}_{name}": value
        for k in (1, 2, 3)
        for name, value in (
            ("prompt", json.dumps({"role": "user", "content": f"Turn {k}."})),
            ("instruction_id_list", json.dumps(["punctuation:no_comma"])),
            ("kwargs", json.dumps(["{}"])),
        )
    }
    path = tmp_path / "dialogs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["key", "language", *turns])
        writer.writeheader()
        writer.writerow({"key": "a", "language": "English", **turns})
    rows = import_benchmark(benchmark_source("multi-if", BenchmarkConfig(path=(str(path),))), {}, store)
    with serving(lambda body, n: (200, completion(f"<think>hm</think>Answer {n}."), {})) as server:
        monkeypatch.setenv("IFRL_SERVER_URLS", server.url)
        section = EvaluationConfig(engine="server", served_model="m", served_policy="p")
        config = answers_config("multi-if", BenchmarkConfig(path=("x",)), section)
        ref = make_answers(config, {"benchmark": rows, "model": served(store, "m")}, store)
    assert [message["content"] for message in server.bodies[2]["messages"]] == [
        "Turn 1.",
        "Answer 0.",
        "Turn 2.",
        "Answer 1.",
        "Turn 3.",
    ]
    assert store.manifest(ref).figures["answers"] == 3
