"""How conversations become text, as identity: with other words for tools, or for a system message that a template does not
take, the same messages are another prompt. Of users and assistants alone only the model's template decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ifrl_core.identity.code import digest_of_code
from ifrl_core.models.chat_form import rendered
from ifrl_core.models.control_marks import plain_messages
from ifrl_core.records import Conversation

_SHOWN = 16  # digits of a digest
_SPEAKING = ("user", "assistant")


@cache
def rendering(*placing: Callable[..., Any]) -> str:
    """Digest of the code and words that make text of messages, and of functions that place texts in them."""
    return digest_of_code(rendered, plain_messages, *placing, leaving_out=("Constraint", "Conversation"))[:_SHOWN]


def rendering_of(conversations: Iterable[Conversation]) -> str:
    """`rendering()` where one of the conversations has a system message, tools or calls of them; empty where none has."""
    return rendering() if any(_is_more(item.messages) for item in conversations) else ""


def _is_more(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        message["role"] not in _SPEAKING or message.get("tools") or message.get("tool_calls") for message in messages
    )
