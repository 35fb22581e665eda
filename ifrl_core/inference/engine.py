"""One protocol for everything that generates text: messages in, texts and token counts out, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ifrl_core.records import Message
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.statistics.by_hash import seed_by_hash

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """Sampling settings shared by a call: temperature 0 is greedy; `max_tokens` bounds the answer, not the prompt.

    `json_schema` asks for an answer of that shape; an engine that cannot hold a model to it passes it over.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """One prompt and the seed of its answer: the same seed, engine and batch give the same text."""

    messages: Sequence[Message]
    seed: int


def request_seed(seed: int, prompt_id: str, sample: int) -> int:
    """The seed of one answer: a function of what is asked, so that a retry or another model draws the same numbers."""
    return seed_by_hash(seed, prompt_id, sample)


@dataclass(frozen=True)
class Completion:
    """One answer. `finish_reason` is "length" when the token budget ended it, "stop" when the model did."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


def no_room(completion: Completion) -> bool:
    """Whether the prompt alone filled the model's positions, so that nothing could be answered."""
    return completion.finish_reason == "length" and completion.completion_tokens == 0


class Engine(Protocol):
    """A loaded model that answers requests."""

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        """One completion per request, in the order of the requests; progress counts requests."""
        ...
