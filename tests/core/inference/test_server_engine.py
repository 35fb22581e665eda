"""The server engine against servers on real sockets that fail in every way that matters."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest

from ifrl_core.errors import InferenceError
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.engine import no_room
from ifrl_core.inference.server_engine import ServerEngine
from tests.core.inference.fault_server import Body, Reply, completion, echo, serving
from tests.patience import PATIENCE_S, wait_until
from tests.ports import free_port

SAMPLING = Sampling(max_tokens=5, temperature=0.7, top_p=0.9)


def requests(count: int) -> list[Request]:
    return [Request([{"role": "user", "content": f"prompt {i}"}], seed=100 + i) for i in range(count)]


def expected(count: int) -> list[str]:
    return [f"prompt {i} / {100 + i}" for i in range(count)]


def engine(*urls: str, **settings: Any) -> ServerEngine:
    return ServerEngine(urls, "tiny", **({"first_rest_s": 0.02, "timeout_s": PATIENCE_S} | settings))


def texts(completions: list[Completion]) -> list[str]:
    return [item.text for item in completions]


def unused_url() -> str:
    return f"http://127.0.0.1:{free_port()}/v1"


def test_answers_come_in_order_with_their_counts_and_settings() -> None:
    told: list[tuple[int, int]] = []
    with serving() as server:
        completions = engine(server.url).generate(
            requests(40), SAMPLING, lambda done, total, *_: told.append((done, total))
        )
    assert texts(completions) == expected(40)
    assert completions[3] == Completion("prompt 3 / 103", "stop", 7, 4)
    assert told == [(done, 40) for done in range(1, 41)]
    body = next(body for body in server.bodies if body["seed"] == 103)
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "prompt 3"}],
        "max_tokens": 5,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 103,
    }


def test_the_tokens_that_end_an_answer_are_sent_by_id_and_by_text() -> None:
    with serving(echo) as server:
        engine(server.url, ends={2: "<|im_end|>", 7: "</s>"}).generate(requests(1), Sampling(5))
    assert server.bodies[0]["stop"] == ["<|im_end|>", "</s>"]
    assert server.bodies[0]["stop_token_ids"] == [2, 7]


@pytest.mark.parametrize(
    "detail", ["Unexpected fields in the request: {'stop_token_ids'}", [{"loc": ["stop_token_ids"]}]]
)
def test_a_server_that_takes_no_ids_of_ends_is_asked_without_them(detail: Any) -> None:
    def strict(body: Body, number: int) -> Reply:
        return (422, {"detail": detail}, {}) if "stop_token_ids" in body else echo(body, number)

    with serving(strict) as server:
        asked = engine(server.url, ends={2: "<|im_end|>"})
        assert texts(asked.generate(requests(40), Sampling(5))) == expected(40)
        assert texts(asked.generate(requests(1), Sampling(5))) == expected(1)
    assert server.bodies[-1]["stop"] == ["<|im_end|>"]
    assert "stop_token_ids" not in server.bodies[-1]


def test_a_server_that_holds_no_model_to_a_schema_is_asked_without_one() -> None:
    def strict(body: Body, number: int) -> Reply:
        refused = 400, {"error": {"message": "response_format of type json_schema is not supported"}}, {}
        return refused if "response_format" in body else echo(body, number)

    with serving(strict) as server:
        asked = engine(server.url)
        assert texts(asked.generate(requests(4), Sampling(5, json_schema={"type": "object"}))) == expected(4)
        asked.generate(requests(1), Sampling(5, json_schema={"type": "object"}))
    assert "response_format" not in server.bodies[-1]


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens",
        "the request exceeds the available context size",
        "The input (9000 tokens) is longer than the model's context length (4096 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096",
        "prompt is too long: 250000 tokens > 200000 maximum",
    ],
)
def test_a_request_that_does_not_fit_a_context_has_no_answer_or_ends_the_call(words: str) -> None:
    def short(body: Body, number: int) -> Reply:
        fits = body["messages"][-1]["content"] != "prompt 3"
        return echo(body, number) if fits else (400, {"error": {"message": words}}, {})

    with serving(short) as server:
        completions = engine(server.url, skip_too_long=True).generate(requests(4), Sampling(5))
        with pytest.raises(InferenceError, match="refused a request with 400"):
            engine(server.url).generate(requests(4), Sampling(5))
    assert [no_room(completion) for completion in completions] == [False, False, False, True]


def test_no_requests_need_no_server() -> None:
    assert engine(unused_url()).generate([], SAMPLING) == []


def test_tools_are_offered_in_words_which_no_server_refuses_and_calls_come_as_they_were_written() -> None:
    tool = {"type": "function", "function": {"name": "tides", "parameters": {"type": "object", "properties": {}}}}
    call = '<tool_call>\n{"name": "tides", "arguments": {}}\n</tool_call>'
    asked = [
        {"role": "user", "content": "High water?", "tools": json.dumps([tool])},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": json.dumps([{"function": {"name": "tides", "arguments": {}}}]),
        },
        {"role": "tool", "content": "noon"},
        {"role": "assistant", "content": "Noon."},
        {"role": "user", "content": "And low?"},
    ]

    def as_vllm(body: Body, number: int) -> Reply:
        said = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        plain = all(message.keys() == {"role", "content"} for message in body["messages"])
        if "tools" in body or not plain:
            return 400, {"error": {"message": said}}, {}
        return 200, completion(call if '"name": "tides"' in body["messages"][0]["content"] else "?"), {}

    with serving(as_vllm) as server:
        told = engine(server.url).generate([Request(asked, 0)], Sampling(5))
        engine(server.url, takes_system=False).generate([Request(asked, 0)], Sampling(5))
    assert texts(told) == [call]
    roles = [[message["role"] for message in body["messages"]] for body in server.bodies]
    assert roles == [["system", *["user", "assistant"] * 2, "user"], [*["user", "assistant"] * 2, "user"]]


def test_a_schema_is_sent_as_response_format() -> None:
    schema = {"type": "object", "properties": {"c1": {"type": "string"}}}
    with serving() as server:
        engine(server.url).generate(requests(1), Sampling(5, json_schema=schema))
    assert server.bodies[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema},
    }


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.delenv("TEST_KEY", raising=False)
        engine(server.url, api_key_variable="TEST_KEY").generate(requests(1), SAMPLING)
        monkeypatch.setenv("TEST_KEY", "abc")
        engine(server.url, api_key_variable="TEST_KEY").generate(requests(1), SAMPLING)
    assert "Authorization" not in server.headers[0]
    assert server.headers[1]["Authorization"] == "Bearer abc"


def test_concurrency_is_bounded_and_used() -> None:
    used = threading.Event()

    def reply(body: Body, number: int) -> Reply:
        if server.in_flight == 4:
            used.set()
        assert used.wait(PATIENCE_S)
        return echo(body, number)

    with serving(reply, delay_s=0.02) as server:
        engine(server.url, concurrency=4).generate(requests(40), SAMPLING)
    assert server.most_in_flight == 4


def test_the_faster_server_gets_more() -> None:
    def when_most_is_done(body: Body, number: int) -> Reply:
        wait_until(lambda: len(fast.bodies) > 50, pause_s=0.01)
        return echo(body, number)

    with serving() as fast, serving(when_most_is_done) as slow:
        completions = engine(fast.url, slow.url, concurrency=2).generate(requests(60), SAMPLING)
    assert texts(completions) == expected(60)
    assert len(fast.bodies) > 3 * len(slow.bodies) > 0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again_and_no_row_is_lost_or_doubled(status: int) -> None:
    def flaky(body: Body, number: int) -> Reply:
        return (status, {"error": {"message": "later"}}, {}) if number % 3 == 0 else echo(body, number)

    with serving(flaky) as server:
        completions = engine(server.url, concurrency=4).generate(requests(30), SAMPLING)
    assert texts(completions) == expected(30)
    assert len(server.bodies) > 30


def test_a_server_may_say_how_long_it_rests() -> None:
    def busy_once(body: Body, number: int) -> Reply:
        return (429, {}, {"Retry-After": "0.6"}) if number == 0 else echo(body, number)

    with serving(busy_once) as server:
        start = time.monotonic()
        engine(server.url).generate(requests(1), SAMPLING)
    assert time.monotonic() - start >= 0.6


def test_a_server_that_stays_busy_for_a_while_loses_nothing() -> None:
    until = time.monotonic() + 1.0

    def busy(body: Body, number: int) -> Reply:
        return (429, {}, {}) if time.monotonic() < until else echo(body, number)

    with serving(busy) as server:
        completions = engine(server.url, concurrency=8, patience=8).generate(requests(30), SAMPLING)
    assert texts(completions) == expected(30)


@pytest.mark.parametrize("how", ["refuses", "hangs up", "is slow", "talks nonsense"])
def test_a_bad_server_costs_a_retry_on_another(how: str) -> None:
    def reply(body: Body, number: int) -> Reply | None:
        return None if how == "hangs up" else (200, b"<html>", {})

    slow, waits = (2.0, {"timeout_s": 0.5, "patience": 30}) if how == "is slow" else (0.0, {})
    with serving() as good, serving(reply, delay_s=slow) as bad:
        url = unused_url() if how == "refuses" else bad.url
        completions = engine(url, good.url, concurrency=4, **waits).generate(requests(30), SAMPLING)
    assert texts(completions) == expected(30)
    answered = {body["seed"] for body in good.bodies}
    assert answered == {100 + i for i in range(30)}
    if how != "refuses":
        assert len(bad.bodies) < 20


def test_a_server_that_talks_nonsense_while_the_other_is_busy_costs_no_request() -> None:
    def when_the_other_was_asked_often(body: Body, number: int) -> Reply:
        for _ in range(1_000):
            if len(bad.bodies) > 4:
                break
            time.sleep(0.01)
        return echo(body, number)

    with serving(when_the_other_was_asked_often) as good, serving(lambda body, number: (200, b"<html>", {})) as bad:
        completions = engine(good.url, bad.url, concurrency=1).generate(requests(2), SAMPLING)
    assert texts(completions) == expected(2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_the_server_refuses_is_said_in_its_words(status: int) -> None:
    words = "the model `tiny` does not exist"
    with serving(lambda body, number: (status, {"error": {"message": words}}, {})) as server:
        with pytest.raises(InferenceError, match=f"{status}: {words}") as caught:
            engine(server.url).generate(requests(20), SAMPLING)
        assert server.url in str(caught.value)
        assert len(server.bodies) <= 20


def test_one_bad_request_ends_the_call_with_what_happened() -> None:
    def reply(body: Body, number: int) -> Reply:
        return (500, b"out of memory", {}) if body["seed"] == 105 else echo(body, number)

    with serving(reply) as server, pytest.raises(InferenceError, match=r"request 5 failed 4 times.*out of memory"):
        engine(server.url, patience=3).generate(requests(10), SAMPLING)


def test_servers_that_are_all_gone_are_named() -> None:
    first, second = unused_url(), unused_url()
    with pytest.raises(InferenceError, match="no server answers") as caught:
        engine(first, second, patience=3).generate(requests(10), SAMPLING)
    assert first in str(caught.value)
    assert second in str(caught.value)


def test_truncation_is_told() -> None:
    with serving(lambda body, number: (200, completion("so far", "length"), {})) as server:
        (answer,) = engine(server.url).generate(requests(1), SAMPLING)
    assert answer.finish_reason == "length"


def test_an_answer_without_content_is_empty() -> None:
    empty = completion("")
    empty["choices"][0]["message"]["content"] = None
    with serving(lambda body, number: (200, empty, {})) as server:
        (answer,) = engine(server.url).generate(requests(1), SAMPLING)
    assert answer.text == ""


def choice(**fields: Any) -> Body:
    return {"index": 0, "message": {"role": "assistant", "content": "one two three"}, **fields}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"choices": [choice(message={"content": "a \ud83d b"}, finish_reason="stop")]},
            Completion("a \ufffd b", "stop", 2, 3),
        ),
        (
            {"choices": [choice(message={"content": "\ud83d\ude00"}, finish_reason="stop")]},
            Completion("😀", "stop", 2, 1),
        ),
        ({"choices": [choice()], "usage": None}, Completion("one two three", "stop", 2, 3)),
        ({"choices": [choice()], "usage": {"prompt_tokens": 7}}, Completion("one two three", "stop", 2, 3)),
        (
            {"choices": [choice(finish_reason=None)], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
            Completion("one two three", "length", 7, 5),
        ),
        ({"choices": [choice(message={"content": None}, finish_reason="stop")]}, Completion("", "stop", 2, 0)),
        (
            {"choices": [choice(message={"content": [{"type": "text", "text": "a"}, {"type": "reasoning"}]})]},
            Completion("a", "stop", 2, 1),
        ),
    ],
    ids=["half a pair", "a pair", "no usage", "half a usage", "no finish reason", "null", "parts"],
)
def test_what_an_answer_leaves_out_or_spells_its_own_way_is_mended(body: Body, expected: Completion) -> None:
    with serving(lambda _, number: (200, body, {})) as server:
        words = engine(server.url, count_tokens=lambda text: len(text.split()))
        assert words.generate(requests(1), SAMPLING) == [expected]
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        ([], "no choices that is a list"),
        ({"choices": []}, "choices is empty"),
        ({"choices": [{}]}, r"choices\[0\] has no message"),
        ({"choices": [choice(message={"content": 5})]}, r"choices\[0\].message.content is 5"),
        (
            {"choices": [choice(message={"content": [{"type": "text"}]})]},
            "expected a string, a list of text parts or null",
        ),
    ],
    ids=["HTML", "not UTF-8", "a list", "no choices", "no message", "a number", "a part without text"],
)
def test_what_is_no_completion_is_named_by_server_and_field_at_once(body: Any, says: str) -> None:
    with serving(lambda _, number: (200, body, {})) as server:
        with pytest.raises(InferenceError, match=says) as caught:
            engine(server.url).generate(requests(3), SAMPLING)
        assert server.url in str(caught.value)
        assert len(server.bodies) <= 6


def test_it_works_where_an_event_loop_runs_already() -> None:
    async def notebook_cell(url: str) -> list[Completion]:
        return engine(url).generate(requests(2), SAMPLING)

    with serving(delay_s=0.0) as server:
        assert texts(asyncio.run(notebook_cell(server.url))) == expected(2)


@pytest.mark.parametrize("urls", [(), ("localhost:8000/v1",)])
def test_a_wrong_url_is_refused_at_once(urls: tuple[str, ...]) -> None:
    with pytest.raises(InferenceError, match="base URL"):
        ServerEngine(urls, "tiny")
