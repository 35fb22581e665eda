"""A reward model behind `ifrl serve`, scored as if it were here: on another GPU, or shared by several trainings."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import httpx

from ifrl_core.errors import ConfigError, InferenceError
from ifrl_core.reward_model.model.scorer import Pair, Probabilities
from ifrl_core.reward_model.model.settings import folder_digest

URL_VARIABLE = "IFRL_REWARD_MODEL_URL"
TOKEN_VARIABLE = "IFRL_REWARD_MODEL_TOKEN"
_BUSY = {429, 502, 503, 504}


class RewardModelClient:
    """Asks POST /v1/score, one request a response with all of its constraints."""

    def __init__(self, url: str, *, token: str | None = None, attempts: int = 6, pause_s: float = 1.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=600)
        self._url, self._attempts, self._pause_s = url, attempts, pause_s

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        """One probability per (response, constraint text), in their order; None for a pair that could not be scored.

        Raises:
            InferenceError: when the service refuses a request, with its words, or does not answer after several attempts.
        """
        places: dict[str, list[int]] = {}
        for place, (response, _) in enumerate(pairs):
            places.setdefault(response, []).append(place)
        probabilities: Probabilities = [None] * len(pairs)
        for response, of_response in places.items():
            constraints = [pairs[place][1] for place in of_response]
            for place, value in zip(of_response, self._score(response, constraints), strict=True):
                probabilities[place] = value
        return probabilities

    def check_serves(self, folder: Path) -> None:
        """Look which model the service has loaded.

        Raises:
            ConfigError: when it is not the one in `folder`, naming the digests of both.
            InferenceError: when it does not answer.
        """
        digest = folder_digest(folder)
        health = self._asked("GET", "/health")
        served = str(health.get("digest") or "")
        if served != digest:
            found = f"the model {served[:12]}… ({health.get('model')})" if served else "a model that it does not name"
            raise ConfigError(
                f"the reward model at {self._url} serves {found}, and this policy is trained with {digest[:12]}…: start "
                f"`ifrl serve {quote(str(folder))} --port PORT` there and run the same command again, or set "
                "policy.launch.reward_model to local"
            )

    def _score(self, response: str, constraints: list[str]) -> Probabilities:
        answered = self._asked("POST", "/v1/score", {"response": response, "constraints": constraints})
        found, count = answered.get("probabilities"), len(constraints)
        if not (isinstance(found, list) and len(found) == count and all(_is_probability(item) for item in found)):
            raise InferenceError(
                f"the reward model at {self._url} answers {str(answered)[:200]}; expected probabilities, a list of {count} "
                "numbers in [0, 1] or null: does another service listen there?"
            )
        return found

    def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the service answers, asked again while it is busy or away."""
        problem = ""
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(self._pause_s * 2 ** (attempt - 1))
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code == 200:
                return _document(answer)
            problem = f"{answer.status_code}: {answer.text[:500]}"
            if answer.status_code not in _BUSY:
                raise InferenceError(f"the reward model at {self._url} refused a request with {problem}")
        raise InferenceError(
            f"the reward model at {self._url} did not answer {self._attempts} times; the last time {problem}"
        )


def _document(answer: httpx.Response) -> dict[str, Any]:
    """The object in an answer; what is none stands as its text under the key ""."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"": answer.text}


def _is_probability(item: Any) -> bool:
    return item is None or (isinstance(item, int | float) and 0 <= item <= 1)


def service_url() -> str:
    """The base URL that the environment names.

    Raises:
        ConfigError: when it names none.
    """
    if url := os.environ.get(URL_VARIABLE):
        return url
    raise ConfigError(
        f"policy.launch.reward_model service needs {URL_VARIABLE}: the base URL of `ifrl serve`, such as http://host:8100"
    )


def open_client(folder: Path) -> RewardModelClient:
    """The client of the service that the environment names, which has to serve the reward model in `folder`.

    Raises:
        ConfigError: when it names none, or that one serves another model.
        InferenceError: when it does not answer.
    """
    client = RewardModelClient(service_url(), token=os.environ.get(TOKEN_VARIABLE))
    client.check_serves(folder)
    return client
