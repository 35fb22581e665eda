"""The one rendering of (response, constraint) for the reward model: training, scoring and serving all read template.txt.

The response comes first, so that all constraints of one response share its tokens. An input that is too long loses the
middle of the response, since constraints speak of beginnings and endings; a constraint is never cut.

Head (up to the end of the response) and tail (the rest) are tokenised apart, so that the tokens of a response do not depend
on the constraint that follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE = files("ifrl_core").joinpath("reward_model/model/template.txt").read_text().rstrip("\n")
_BEFORE, _REST = TEMPLATE.split("{response}")
_BETWEEN, _AFTER = _REST.split("{constraint}")


@dataclass(frozen=True)
class Encoded:
    """Token ids of one pair; the input is head then tail."""

    head: tuple[int, ...]
    tail: tuple[int, ...]


def render(response: str, constraint: str) -> str:
    """The input as text, before any cut. Filled in once: braces in a response are just text."""
    return f"{_BEFORE}{response}{_BETWEEN}{constraint}{_AFTER}"


def encode(
    tokenizer: "PreTrainedTokenizerBase", pairs: Sequence[tuple[str, str]], max_tokens: int
) -> list[Encoded | None]:
    """Token ids of (response, constraint text) pairs, at most `max_tokens` each; None where the constraint leaves no room."""
    responses = _ids(tokenizer, {response: response for response, _ in pairs})
    tails = _ids(tokenizer, {constraint: f"{_BETWEEN}{constraint}{_AFTER}" for _, constraint in pairs})
    before = _ids(tokenizer, {"": _BEFORE})[""]
    encoded: list[Encoded | None] = []
    for response, constraint in pairs:
        room = max_tokens - len(before) - len(tails[constraint])
        cut = _without_middle(responses[response], room)
        encoded.append(None if cut is None else Encoded(before + cut, tails[constraint]))
    return encoded


def _ids(tokenizer: "PreTrainedTokenizerBase", texts: dict[str, str]) -> dict[str, tuple[int, ...]]:
    """Ids by key. Text that looks like a special token stays text: a response cannot end its own turn."""
    if not texts:
        return {}
    ids = tokenizer(list(texts.values()), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return {key: tuple(of_text) for key, of_text in zip(texts, ids, strict=True)}


def _without_middle(ids: tuple[int, ...], room: int) -> tuple[int, ...] | None:
    if room <= 0:
        return None
    if len(ids) <= room:
        return ids
    start = (room + 1) // 2
    return ids[:start] + ids[len(ids) - (room - start) :]
