"""Prompts as the model reads them."""

from collections.abc import Sequence
from typing import Any

from ifrl_core.models.control_marks import marks_of, plain_messages
from ifrl_core.records import Message


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of the messages in the tokenizer's chat template, up to where the completion begins.

    Marks in the messages are text (control_marks.py).
    """
    plain = plain_messages(messages, marks_of(tokenizer))
    text = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
