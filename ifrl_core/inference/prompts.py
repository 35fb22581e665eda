"""Prompts as the model reads them."""

from collections.abc import Sequence
from typing import Any

from ifrl_core.errors import ModelError
from ifrl_core.models.chat_form import rendered
from ifrl_core.models.control_marks import marks_of, plain_messages
from ifrl_core.models.looks.documents import first_line
from ifrl_core.records import Message

_SHOWN = 60  # characters of a prompt in an error


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of `prompt_text`."""
    ids: list[int] = tokenizer(prompt_text(tokenizer, messages), add_special_tokens=False)["input_ids"]
    return ids


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The messages in the tokenizer's chat template, up to where the completion begins.

    Marks in the messages are text (models/control_marks.py), and what the template has no place for is too
    (models/chat_form.py).

    Raises:
        ModelError: when the template fails at these messages.
    """
    plain = plain_messages(messages, marks_of(tokenizer))
    try:
        return rendered(tokenizer, plain)
    except Exception as error:  # a template may raise anything
        said = plain[-1]["content"][:_SHOWN] if plain else ""
        raise ModelError(
            f"the chat template cannot render the prompt {said!r} ({first_line(error)}): mend it"
        ) from error
