"""The judge is asked in rounds, and again where it cannot be read; servers that fail and kills cost no answer."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import JudgeConfig
from ifrl_core.errors import InferenceError, UnscoredError
from ifrl_core.evaluation.benchmarks.replies import YES_NO_SCHEMA, numbered, numbered_schema, yes_or_no
from ifrl_core.evaluation.judge.ask import Reply, check_read, judged
from ifrl_core.evaluation.suite.benchmark import Graded, Grading, Question
from ifrl_core.inference.open import open_engine
from ifrl_core.inference.server_engine import ServerEngine
from ifrl_core.stages.progress import Table
from tests.core.inference.fault_server import Asked, Body, completion, serving
from tests.core.inference.fault_server import Reply as Answer
from tests.patience import PATIENCE_S, wait_until
from tests.soak import campaign_seed, case_seed

CONFIG = JudgeConfig(engine="server", served_model="judge", max_tokens=50, retries=1, max_unscored_share=1.0)
YES = completion('{"1": 1}')


def engine(*servers: Asked) -> ServerEngine:
    return ServerEngine(
        [server.url for server in servers], "judge", first_rest_s=0.005, timeout_s=PATIENCE_S, patience=4
    )


def question(text: str) -> Question:
    return Question("plain", {"prompt": text}, lambda reply: numbered(reply, 1), numbered_schema(1))


def grading(*texts: str) -> Grading:
    """One question after another, each with what was read of the one before."""
    said: list[Any] = []
    for text in texts:
        said += yield [question(f"{text}{said[-1] if said else ''}")]
    return Graded({"met": [None if value is None else float(value[0]) for value in said]})


def said(body: Body) -> str:
    """What a server was asked first."""
    text: str = body["messages"][0]["content"]
    return text


def test_gradings_go_on_in_rounds_with_what_was_read_and_equal_questions_are_asked_once(tmp_path: Path) -> None:
    with serving(lambda body, n: (200, YES, {})) as server:
        judgements = judged([grading("a", "b"), grading("a"), grading()], engine(server), CONFIG, tmp_path / "j.jsonl")
    assert [judgement.graded.marks for judgement in judgements] == [{"met": [1.0, 1.0]}, {"met": [1.0]}, {"met": []}]
    assert judgements[0].replies == (Reply("plain", '{"1": 1}', True, 1),) * 2
    assert sorted(said(body) for body in server.bodies) == ["a", "b[True]"]
    body = server.bodies[0]
    assert (body["temperature"], body["max_tokens"]) == (0.0, 50)
    assert body["response_format"]["json_schema"]["schema"] == numbered_schema(1)


def test_a_reply_that_cannot_be_read_is_asked_for_again_with_itself_before_it_and_then_given_up(tmp_path: Path) -> None:
    def reply(body: Body, number: int) -> Answer:
        better = said(body) == "a" and len(body["messages"]) == 3
        return 200, completion('{"1": 0}' if better else "<think>hm</think>I cannot say."), {}

    with serving(reply) as server:
        judgements = judged([grading("a"), grading("b")], engine(server), CONFIG, tmp_path / "j.jsonl")
    assert [judgement.graded.marks["met"] for judgement in judgements] == [[0.0], [None]]
    assert judgements[0].replies == (Reply("plain", '{"1": 0}', True, 2),)
    assert judgements[1].replies == (Reply("plain", "<think>hm</think>I cannot say.", False, 2),)
    again = [body["messages"] for body in server.bodies if len(body["messages"]) > 1]
    assert [(len(messages), messages[1]["content"]) for messages in again] == [(3, "I cannot say.")] * 2
    assert "could not be read" in again[0][2]["content"]


@pytest.mark.parametrize(
    ("text", "finish", "schema", "met"),
    [
        ("Yes, so far", "stop", None, True),
        ("Yes, so far", "length", None, None),
        ('{"reason": "There is no title, but', "length", YES_NO_SCHEMA, None),
        ('{"reason": "See [1]: no", "verdict', "length", YES_NO_SCHEMA, None),
        ('{"reason": "", "verdict": "yes"} There is no', "length", YES_NO_SCHEMA, True),
    ],
)
def test_a_reply_that_was_cut_off_says_nothing_yet_unless_its_object_is_whole(
    tmp_path: Path, text: str, finish: str, schema: dict[str, Any] | None, met: bool | None
) -> None:
    def asking() -> Grading:
        [value] = yield [Question("plain", {"prompt": "?"}, yes_or_no, schema)]
        return Graded({"met": [value]})

    with serving(lambda body, n: (200, completion(text, finish), {})) as server:
        [judgement] = judged([asking()], engine(server), CONFIG, tmp_path / "j.jsonl")
    assert judgement.graded.marks["met"] == [met]


def test_too_many_replies_that_cannot_be_read_end_it_with_the_first_of_them(tmp_path: Path) -> None:
    with serving(lambda body, n: (200, completion(f"what is {said(body)}?"), {})) as server:
        strict = CONFIG.model_copy(update={"max_unscored_share": 0.1})
        with pytest.raises(UnscoredError, match=r"8 of 8 replies .* 'what is 0\?'; 'what is 1\?'; 'what is 2\?'\. Use"):
            judged([grading(str(n)) for n in range(8)], engine(server), strict, tmp_path / "j.jsonl")
    replies = [Reply("plain", "?", n > 1, 1) for n in range(10)]
    check_read(replies, strict, surely=True)  # of a part: 2 of 10 may be chance
    with pytest.raises(UnscoredError, match="2 of 10"):
        check_read(replies, strict)
    check_read(replies, strict.model_copy(update={"max_unscored_share": 0.2}))


def failing(body: Body, number: int) -> Answer | None:
    """Every second answer is none, each in another way."""
    ways: list[Answer | None] = [
        (429, {"error": "busy"}, {"Retry-After": "0"}),
        (500, {"error": {"message": "out of memory"}}, {}),
        None,
        (200, b'{"choices": [{"message": {"content": "{', {}),
    ]
    return (200, YES, {}) if number % 2 else ways[number // 2 % len(ways)]


def test_a_server_that_is_busy_fails_hangs_up_and_cuts_off_loses_no_question_and_answers_none_twice(
    tmp_path: Path,
) -> None:
    answered: Counter[str] = Counter()

    def reply(body: Body, number: int) -> Answer | None:
        answer = failing(body, number)
        answered[said(body)] += answer is not None and answer[1] is YES
        return answer

    with serving(reply) as one, serving(lambda body, n: (answered.update([said(body)]), (200, YES, {}))[1]) as other:
        judgements = judged([grading(f"q{n}") for n in range(24)], engine(one, other), CONFIG, tmp_path / "j.jsonl")
    assert {tuple(judgement.graded.marks["met"]) for judgement in judgements} == {(1.0,)}
    assert answered == Counter(f"q{n}" for n in range(24))


def test_what_was_answered_before_the_server_died_is_not_asked_again(tmp_path: Path) -> None:
    journal, texts = tmp_path / "j.jsonl", [f"q{n}" for n in range(20)]
    with serving(lambda body, n: (200, YES, {}) if n < 7 else None) as dying, pytest.raises(InferenceError):
        judged([grading(text) for text in texts], engine(dying), CONFIG, journal)
    answered = {said(body) for body in dying.bodies[:7]}
    with serving(lambda body, n: (200, YES, {})) as server:
        judgements = judged([grading(text) for text in texts], engine(server), CONFIG, journal)
    assert sorted(said(body) for body in server.bodies) == sorted(set(texts) - answered)
    assert all(judgement.graded.marks["met"] == [1.0] for judgement in judgements)


def test_what_is_in_flight_when_a_request_is_refused_is_kept(tmp_path: Path) -> None:
    journal, texts, refused = tmp_path / "j.jsonl", [f"q{n}" for n in range(6)], threading.Event()

    def reply(body: Body, number: int) -> Answer:
        if said(body) == "q3":
            wait_until(lambda: len(refusing.bodies) == len(texts), pause_s=0.01)
            refused.set()
            return 401, {"error": "no"}, {}
        assert refused.wait(PATIENCE_S)
        time.sleep(0.1)
        return 200, YES, {}

    with serving(reply) as refusing, pytest.raises(InferenceError, match="401: no"):
        judged([grading(text) for text in texts], engine(refusing), CONFIG, journal)
    with serving(lambda body, n: (200, YES, {})) as server:
        judged([grading(text) for text in texts], engine(server), CONFIG, journal)
    assert [said(body) for body in server.bodies] == ["q3"]


KILLED = """
import sys
from pathlib import Path
from tests.core.evaluation.judge.test_ask import CONFIG, grading
from ifrl_core.evaluation.judge.ask import judged
from ifrl_core.inference.server_engine import ServerEngine
judged([grading(f"q{n}") for n in range(9)], ServerEngine([sys.argv[1]], "judge"), CONFIG, Path(sys.argv[2]))
"""


@pytest.mark.server
def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path: Path) -> None:
    journal, killed = tmp_path / "j.jsonl", threading.Event()

    def reply(body: Body, number: int) -> Answer:
        if number >= 5:  # in flight when the kill comes
            assert killed.wait(PATIENCE_S)
        return 200, YES, {}

    with serving(reply) as server:
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(journal)], env=os.environ)
        while not journal.exists() or journal.read_text().count("completion_tokens") < 5 or len(server.bodies) < 9:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed.set()
    answered = {said(body) for body in server.bodies[:5]}
    with serving(lambda body, n: (200, YES, {})) as again:
        judged([grading(f"q{n}") for n in range(9)], engine(again), CONFIG, journal)
    assert {said(body) for body in again.bodies} == {f"q{n}" for n in range(9)} - answered
    assert len(again.bodies) == 4
    assert json.loads(journal.read_text().splitlines()[-1])["completion"]["text"] == '{"1": 1}'


@pytest.mark.soak
@pytest.mark.server
@pytest.mark.timeout(1_200)
def test_judging_that_is_killed_again_and_again_ends_as_if_undisturbed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A server that is busy, fails, hangs up and cuts off at random, kills at random moments: an answer is asked for twice
    only where a kill fell between the server's word and the journal."""
    draw, journal, answered = (
        random.Random(case_seed(request.node.nodeid, campaign_seed())),
        tmp_path / "j",
        Counter[str](),
    )

    def reply(body: Body, number: int) -> Answer | None:
        time.sleep(draw.random() / 10)
        answer = failing(body, draw.randrange(8))
        answered[said(body)] += answer is not None and answer[1] is YES
        return answer

    code, runs = KILLED.replace("range(9)", "range(200)").replace('"judge")', '"judge", first_rest_s=0.05)'), 0
    with serving(reply) as server:
        ended: int | None = 1
        while ended != 0:  # killed, or given up because an answer was cut off twice
            process = subprocess.Popen(
                [sys.executable, "-c", code, server.url, str(journal)], stderr=subprocess.DEVNULL
            )
            runs += 1
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0 + 2 * draw.random() if runs < 9 else 60)
            process.kill()
            ended = process.wait()
            assert runs < 60
    assert runs > 2
    assert answered.keys() == {f"q{n}" for n in range(200)}
    assert sum(answered.values()) - len(answered) <= runs * 32  # at most what was in flight
    with serving(lambda body, n: (500, {}, {})) as silent:
        judgements = judged([grading(f"q{n}") for n in range(200)], engine(silent), CONFIG, journal)
    assert all(judgement.graded.marks["met"] == [1.0] for judgement in judgements)
    assert silent.bodies == []


@pytest.mark.model
def test_a_tiny_model_judges_without_a_crash(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    config = JudgeConfig(model="embedded:smollm2-135m", max_tokens=4, retries=1, max_unscored_share=1.0)
    judge, told = open_engine(config, tiny_model, model_store), list[tuple[int, int]]()

    def progress(done: int, total: int, message: str = "", *, samples: Table = (), **metrics: float) -> None:
        told.append((done, total))

    gradings = [grading("Is {x} even?", "And odd?"), grading("中文 " * 50), grading("")]
    judgements = judged(gradings, judge, config, tmp_path / "j.jsonl", progress)
    assert [judgement.graded.marks["met"] for judgement in judgements] == [[None, None], [None], [None]]
    assert {reply.asked for judgement in judgements for reply in judgement.replies} == {2}
    assert told[-1] == (8, 8)
