"""Which ladders fit into the positions of the model that answers them: the longest prompt and the longest answer together."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import read_config
from ifrl_core.records import Message
from ifrl_core.seeds.conversations import texts_in
from ifrl_core.seeds.read import SeedText

_WORDS_OF_TEMPLATE = 1024  # bytes; more than usual chat templates add to a message


class Room:
    """The tokens that a prompt may have in a model's folder when answers of `answer_tokens` are to follow."""

    def __init__(self, folder: Path, answer_tokens: int) -> None:
        self._folder, self._answer_tokens = folder, answer_tokens
        self._positions = positions_of(read_config(folder, str(folder)))

    def fault(self, messages: Sequence[Message]) -> str | None:
        """Why a prompt does not fit; None when it does."""
        if self._positions is None:
            return None
        room = self._positions - self._answer_tokens
        # A token is a byte at least: what is short in bytes needs no tokenizer, which takes seconds to load.
        size = sum(len(text.encode()) for text in texts_in(messages))
        if size + _WORDS_OF_TEMPLATE <= room or (tokens := len(prompt_ids(self._tokenizer, messages))) <= room:
            return None
        return (
            f"its longest prompt has {tokens} tokens: with an answer of {self._answer_tokens} (rollouts.max_tokens) that is "
            f"more than the model's {self._positions} positions"
        )

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._folder)


def count_too_long(folder: Path | None, seeds: Iterable[SeedText], answer_tokens: int) -> int:
    """Seeds that leave no room by themselves, without constraints; 0 for a model that is in no folder."""
    if folder is None:
        return 0
    room = Room(folder, answer_tokens)
    return sum(room.fault(seed.conversation.messages) is not None for seed in seeds)
