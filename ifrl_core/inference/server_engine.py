"""The engine for models behind one or many OpenAI-compatible servers (vLLM's own server, for instance).

Requests are spread by load with bounded concurrency. One that meets a dead, slow or busy server goes to another, or waits and
is sent again; each fills its own place in the result, so none is lost or doubled. What a server draws for a seed is its own
affair: vLLM answers equal requests with equal seeds alike up to the rounding of its batches.

Tools, calls and their results are said in words (models/chat_form.py), never as parameters: whether a server takes those goes
by its flags, some leave them out without a word, and a parser of its own would take calls out of the answer.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from ifrl_core.errors import InferenceError
from ifrl_core.inference.chat_answer import ChatAnswer, MalformedError, read_answer, roughly_counted
from ifrl_core.inference.engine import Completion, Request, Sampling
from ifrl_core.inference.fleet import Fleet, Server, finished, retry_after
from ifrl_core.inference.speed import TokenCount
from ifrl_core.inference.telling import Answered
from ifrl_core.models.chat_form import in_words
from ifrl_core.models.control_marks import COMMON, plain_messages
from ifrl_core.records import whole_text
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.text.reasoning import THINK, Reasoning

API_KEY_VARIABLE = "IFRL_SERVER_API_KEY"
_BUSY = {429, 503}
_GATEWAY = {502, 504}  # a proxy whose server behind it is gone
_EXCERPT = 500
_END_IDS = "stop_token_ids"  # of vLLM and SGLang
_MOST_STOPS = 4  # strings that OpenAI's interface takes
_SCHEMAS = ("response_format", "json_schema")  # one of them stands in a refusal of what they are
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|(prompt|input|request)s? (is|are) too long|`inputs` tokens", re.IGNORECASE
)

log = logging.getLogger(__name__)


class _OutageError(Exception):
    """The server cannot be reached or is busy: it may be another's turn."""

    def __init__(self, problem: str, *, busy: bool = False, rest_s: float | None = None) -> None:
        super().__init__(problem)
        self.busy, self.rest_s = busy, rest_s


class _RefusalError(InferenceError):
    """The server takes a request as it is at no time."""


class _CrashError(Exception):
    """The server failed at this request; it may do better next time."""


class ServerEngine:
    """A model called `model` behind `base_urls`, given as OpenAI's clients take them (http://host:8000/v1).

    At most `concurrency` requests are in flight at each server, each for at most `timeout_s` seconds. The key is read from
    the environment variable `api_key_variable` when requests are sent; without it none is sent along. A request that fails
    more than `patience` times for each server, servers that all had `patience` outages in a row, or a request to which every
    server answered with what is no chat completion, one of them twice, end the call. `ends`: the tokens that end an answer,
    by id; sent as OpenAI's `stop` and as vLLM's and SGLang's `stop_token_ids`. `count_tokens` counts the tokens of a text
    where a server gives no usage; where it gives reasoning apart, the text is both, the former in the tags of `reasoning`.
    `marks`: what of the messages would be taken for special tokens (models/control_marks.py). `skip_too_long`: a request that
    a server refuses because it does not fit its context has no answer (engine.no_room), and does not end the call.
    `takes_system`: whether the model's chat template does; else a system message heads the first user turn.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        model: str,
        *,
        api_key_variable: str = API_KEY_VARIABLE,
        concurrency: int = 32,
        timeout_s: float = 600.0,
        patience: int = 7,
        first_rest_s: float = 1.0,
        ends: Mapping[int, str] | None = None,
        count_tokens: Callable[[str], int] = roughly_counted,
        reasoning: Reasoning = THINK,
        marks: re.Pattern[str] = COMMON,
        skip_too_long: bool = False,
        takes_system: bool = True,
    ) -> None:
        if not base_urls:
            raise InferenceError(f"model {model!r}: no base URL of a server that answers for it")
        for url in base_urls:
            if not url.startswith(("http://", "https://")):
                raise InferenceError(f"{url!r} is no base URL; expected one such as http://host:8000/v1")
        self._urls = list(dict.fromkeys(base_urls))
        self._model = model
        self._api_key_variable = api_key_variable
        self._concurrency = concurrency
        self._timeout = httpx.Timeout(timeout_s, connect=min(10.0, timeout_s))
        self._patience = patience
        self._first_rest_s = first_rest_s
        self._stop = _stop(ends or {})
        self._count_tokens = count_tokens
        self._reasoning = reasoning
        self._marks = marks
        self._skip_too_long = skip_too_long
        self._takes_schemas, self._takes_system = True, takes_system

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """One completion per request, in order; `Sampling.json_schema` is sent as OpenAI's response_format.

        Raises:
            InferenceError: when a server refuses a request (any 4xx but 408 and 429), with its words, when what it answers is
                no chat completion, with the field, or when none answers.
        """
        completions: dict[int, Completion] = {}
        self.generate_told(requests, sampling, completions.__setitem__, progress)
        return [completions[index] for index in range(len(requests))]

    def generate_told(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered, progress: Progress
    ) -> None:
        """The same, each completion told as soon as it is there: those before an error too."""
        finished(self._generate(requests, sampling, answered, progress))

    async def _generate(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered, progress: Progress
    ) -> None:
        fleet = Fleet(
            self._urls, concurrency=self._concurrency, patience=self._patience, first_rest_s=self._first_rest_s
        )
        waiting = iter(range(len(requests)))
        key = os.environ.get(self._api_key_variable)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        tokens, notes, done = TokenCount(), _Notes(), 0

        async def work(client: httpx.AsyncClient) -> None:
            nonlocal done
            for index in waiting:
                answer = await self._ask(client, fleet, requests[index], sampling, f"request {index}")
                notes.take(answer)
                completion = answer.completed(requests[index].messages, sampling.max_tokens, self._count_tokens)
                answered(index, completion)
                tokens.add(completion.completion_tokens)
                done += 1
                progress(done, len(requests), str(tokens))

        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(headers=headers, timeout=self._timeout, limits=limits) as client:
            await fleet.work_through(lambda: work(client), len(requests))
        notes.say()

    def _plain(self, request: Request) -> Request:
        plain = plain_messages(request.messages, self._marks)
        return Request(in_words(plain, system=self._takes_system), request.seed)

    async def _ask(
        self, client: httpx.AsyncClient, fleet: Fleet, request: Request, sampling: Sampling, what: str
    ) -> ChatAnswer:
        """Have one request answered; of a server that takes no _END_IDS or no schemas, without them from then on."""
        while True:
            stop, schemas = self._stop, self._takes_schemas
            asking = sampling if schemas else replace(sampling, json_schema=None)
            try:
                return await self._answer(client, fleet, _body(self._model, self._plain(request), asking, stop), what)
            except _RefusalError as refusal:
                if _END_IDS in stop and _END_IDS in str(refusal):
                    log.info("the server takes no %s: it ends answers as it knows, and at texts", _END_IDS)
                    self._stop = {name: value for name, value in stop.items() if name != _END_IDS}
                elif asking.json_schema is not None and any(name in str(refusal) for name in _SCHEMAS):
                    if self._takes_schemas:
                        log.warning("the server holds no model to a schema: answers may be of any form (%s)", refusal)
                    self._takes_schemas = False
                elif self._skip_too_long and _TOO_LONG.search(str(refusal)):
                    log.warning("%s has no answer: %s", what, refusal)
                    return ChatAnswer("", "length", (0, 0), 0)
                else:
                    raise

    async def _answer(self, client: httpx.AsyncClient, fleet: Fleet, body: bytes, what: str) -> ChatAnswer:
        """Send one request until it is answered."""
        avoid: Server | None = None
        failures, malformed = 0, list[str]()
        while True:
            lease = await fleet.borrow(avoid)
            url = f"{lease.server.url}/chat/completions"
            try:
                answer = await _post(client, url, body, self._reasoning)
            except MalformedError as error:
                malformed.append(lease.server.url)
                asked = set(malformed)
                if len(asked) == len(fleet.servers) and len(malformed) > len(asked):  # another one would not get better
                    raise InferenceError(f"{url} answers {what} with what is no chat completion: {error}") from None
                fleet.failed(lease, str(error))
                problem, failures = str(error), failures + 1
            except _OutageError as outage:
                fleet.failed(lease, str(outage), outage.rest_s)
                problem, failures = str(outage), failures + (not outage.busy)
            except _CrashError as crash:
                problem, failures = str(crash), failures + 1
            else:
                fleet.answered(lease)
                return answer
            finally:
                fleet.give_back(lease)
            if failures > self._patience * len(self._urls):  # with every server down, the fleet has given up before
                raise InferenceError(f"{what} failed {failures} times, the last time at {url}: {problem}")
            avoid = lease.server
            if failures > 1 and not fleet.closed:
                await asyncio.sleep(min(30.0, self._first_rest_s * 2.0 ** (failures - 2)))


class _Notes:
    """What of the answers of a call had to be mended, said once at its end."""

    def __init__(self) -> None:
        self._surrogates = self._uncounted = 0

    def take(self, answer: ChatAnswer) -> None:
        self._surrogates += answer.surrogates > 0
        self._uncounted += answer.usage is None

    def say(self) -> None:
        if self._surrogates:
            log.warning("%d answers held halves of surrogate pairs, which are U+FFFD now", self._surrogates)
        if self._uncounted:
            log.warning("%d answers came without usage: their tokens were counted here", self._uncounted)


async def _post(client: httpx.AsyncClient, url: str, body: bytes, reasoning: Reasoning) -> ChatAnswer:
    try:
        response = await client.post(url, content=body)
    except httpx.TimeoutException as error:
        raise _OutageError(f"no answer in time ({type(error).__name__})") from None
    except httpx.RequestError as error:
        raise _OutageError(f"{type(error).__name__}: {error}") from None
    status = response.status_code
    if status in _BUSY:
        raise _OutageError(f"{status}: {_words(response)}", busy=True, rest_s=retry_after(response.headers))
    if status in _GATEWAY or status == 408:
        raise _OutageError(f"{status}: {_words(response)}")
    if status >= 500:
        raise _CrashError(f"{status}: {_words(response)}")
    if status != 200:
        raise _RefusalError(f"{url} refused a request with {status}: {_words(response)}")
    return read_answer(response.content, reasoning)


def _stop(ends: Mapping[int, str]) -> dict[str, Any]:
    return {"stop": list(ends.values())[:_MOST_STOPS], _END_IDS: list(ends)} if ends else {}


def _body(model: str, request: Request, sampling: Sampling, stop: Mapping[str, Any]) -> bytes:
    body: dict[str, Any] = {
        **stop,
        "model": model,
        "messages": list(request.messages),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed,
    }
    if sampling.json_schema is not None:
        schema = {"name": "answer", "schema": dict(sampling.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return json.dumps(body).encode()  # ASCII: a lone surrogate in a prompt is the server's to refuse


def _words(response: httpx.Response) -> str:
    """What the server says about an error: OpenAI's error message, FastAPI's detail, else the start of the body."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if isinstance(document, dict):
        error = document.get("error") or document.get("detail") or document.get("message")
        if error:
            return whole_text(str(error.get("message", error) if isinstance(error, dict) else error)[:_EXCERPT])
    return response.text[:_EXCERPT].strip() or response.reason_phrase
