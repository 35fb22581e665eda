"""A reward model behind one or many `ifrl serve`, scored as if it were here: on other GPUs, or shared by trainings."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import httpx

from ifrl_core.errors import ConfigError, InferenceError
from ifrl_core.inference.fleet import Fleet, finished, retry_after
from ifrl_core.reward_model.model.scorer import Pair, Probabilities
from ifrl_core.reward_model.model.settings import folder_digest

URL_VARIABLE = "IFRL_REWARD_MODEL_URL"
TOKEN_VARIABLE = "IFRL_REWARD_MODEL_TOKEN"
_BUSY = {429, 502, 503, 504}
_TIMEOUT_S = 600.0


class RewardModelClient:
    """Asks POST /v1/score of the replica with the least to do, one request a response with all of its constraints.

    At most `concurrency` requests are in flight at each. One that is busy or away rests and another one is asked; when all
    had `patience` outages in a row, the call ends.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        token: str | None = None,
        concurrency: int = 32,
        patience: int = 6,
        first_rest_s: float = 1.0,
    ) -> None:
        self._urls = [url.rstrip("/") for url in dict.fromkeys(urls)]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._concurrency, self._patience, self._first_rest_s = concurrency, patience, first_rest_s
        self._client = httpx.Client(headers=self._headers, timeout=_TIMEOUT_S)

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """One probability per (response, constraint text), in their order; None for a pair that could not be scored.

        Raises:
            InferenceError: when a service refuses a request, with its words, or none answers after several attempts.
        """
        places: dict[str, list[int]] = {}
        for place, (response, _) in enumerate(pairs):
            places.setdefault(response, []).append(place)
        probabilities: Probabilities = [None] * len(pairs)
        finished(self._fill(probabilities, pairs, places))
        return probabilities

    def check_serves(self, folder: Path) -> None:
        """Look which model each service has loaded.

        Raises:
            ConfigError: when it is not the one in `folder`, naming the digests of both.
            InferenceError: when one does not answer.
        """
        digest = folder_digest(folder)
        for url in self._urls:
            health = self._health(url)
            served = str(health.get("digest") or "")
            if served != digest:
                found = (
                    f"the model {served[:12]}… ({health.get('model')})" if served else "a model that it does not name"
                )
                raise ConfigError(
                    f"the reward model at {url} serves {found}, and {digest[:12]}… is asked for: start "
                    f"`ifrl serve {quote(str(folder))} --port PORT` there and run the same command again, or do without the "
                    "service (policy.launch.reward_model local)"
                )

    async def _fill(
        self, probabilities: Probabilities, pairs: Sequence[Pair], places: Mapping[str, Sequence[int]]
    ) -> None:
        fleet = Fleet(
            self._urls, concurrency=self._concurrency, patience=self._patience, first_rest_s=self._first_rest_s
        )
        waiting = iter(places.items())

        async def work(client: httpx.AsyncClient) -> None:
            for response, of_response in waiting:
                body = {"response": response, "constraints": [pairs[place][1] for place in of_response]}
                for place, value in zip(of_response, await _scored(client, fleet, body), strict=True):
                    probabilities[place] = value

        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(headers=self._headers, timeout=_TIMEOUT_S, limits=limits) as client:
            await fleet.work_through(lambda: work(client), len(places))

    def _health(self, url: str) -> dict[str, Any]:
        """What GET /health answers, asked again while the service is busy or away."""
        problem = ""
        for attempt in range(self._patience):
            if attempt:
                time.sleep(self._first_rest_s * 2 ** (attempt - 1))
            try:
                answer = self._client.get(f"{url}/health")
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code == 200:
                return _document(answer)
            problem = f"{answer.status_code}: {answer.text[:500]}"
            if answer.status_code not in _BUSY:
                raise _refused(url, answer)
        raise InferenceError(
            f"the reward model at {url} did not answer {self._patience} times; the last time {problem}"
        )


async def _scored(client: httpx.AsyncClient, fleet: Fleet, body: dict[str, Any]) -> Probabilities:
    """The probabilities of one response's constraints, from the first service that answers."""
    while True:
        lease = await fleet.borrow()
        url = lease.server.url
        try:
            answer = await client.post(f"{url}/v1/score", json=body)
        except httpx.TransportError as error:
            fleet.failed(lease, f"{type(error).__name__}: {error}")
            continue
        finally:
            fleet.give_back(lease)
        if answer.status_code in _BUSY:
            fleet.failed(lease, f"{answer.status_code}: {answer.text[:500]}", retry_after(answer.headers))
            continue
        if answer.status_code != 200:
            raise _refused(url, answer)
        fleet.answered(lease)
        return _probabilities(url, answer, len(body["constraints"]))


def _probabilities(url: str, answer: httpx.Response, count: int) -> Probabilities:
    document = _document(answer)
    found = document.get("probabilities")
    if not (isinstance(found, list) and len(found) == count and all(_is_probability(item) for item in found)):
        raise InferenceError(
            f"the reward model at {url} answers {str(document)[:200]}; expected probabilities, a list of {count} "
            "numbers in [0, 1] or null: does another service listen there?"
        )
    return found


def _refused(url: str, answer: httpx.Response) -> InferenceError:
    return InferenceError(f"the reward model at {url} refused a request with {answer.status_code}: {answer.text[:500]}")


def _document(answer: httpx.Response) -> dict[str, Any]:
    """The object in an answer; what is none stands as its text under the key ""."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"": answer.text}


def _is_probability(item: Any) -> bool:
    return item is None or (isinstance(item, int | float) and 0 <= item <= 1)


def service_urls() -> list[str]:
    """The base URLs that the environment names, with commas between them.

    Raises:
        ConfigError: when it names none.
    """
    if urls := [url.strip() for url in os.environ.get(URL_VARIABLE, "").split(",") if url.strip()]:
        return urls
    raise ConfigError(
        f"a reward model behind a service (policy.launch.reward_model service) needs {URL_VARIABLE}: base URLs of "
        "`ifrl serve` such as http://host:8100, with commas"
    )


def open_client(folder: Path) -> RewardModelClient:
    """The client of the services that the environment names, which have to serve the reward model in `folder`.

    Raises:
        ConfigError: when it names none, or one serves another model.
        InferenceError: when one does not answer.
    """
    client = RewardModelClient(service_urls(), token=os.environ.get(TOKEN_VARIABLE))
    client.check_serves(folder)
    return client
