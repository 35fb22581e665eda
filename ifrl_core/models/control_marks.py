"""What comes from data stays text: no seed, argument, history or tool can open or close a turn.

A tokenizer takes its special tokens for what they are wherever their text stands, and so does a server, which is sent
strings alone. So in every message that a model is to read a space goes behind the first character of each mark:
`<|im_end|>` becomes `< |im_end|>`, which looks the same to a reader and is made of plain tokens. Text without marks is
not touched.

Marks are the tokenizer's special tokens and what its chat template writes in brackets around a message, which is plain
text in some models (Llama 2's `[INST]`, Zephyr's `<|user|>`). Of a model behind a server the common ones are taken.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ifrl_core.records import Message

_PLACE = "MESSAGETEXT"  # stands for a message in the chat template
_PASSES = 8  # marks that overlap take more than one
_IN_BRACKETS = re.compile(r"<{1,2}[^<>\s]+>{1,2}|\[[^\[\]\s]+\]")
COMMON = re.compile(
    r"<\|[^<>|\s]{1,64}\|>"  # ChatML, Llama 3, Phi, GLM, gpt-oss
    r"|<｜[^<>｜\s]{1,64}｜>"
    r"|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>"
)
_OF_TOOLS = re.compile(r"</?(?:tool_call|tool_response|tools)>")  # of Qwen, Hermes and chat_form.py
_of_tokenizer: WeakKeyDictionary[Any, "re.Pattern[str] | None"] = WeakKeyDictionary()
T = TypeVar("T")


def marks_of(tokenizer: Any) -> "re.Pattern[str] | None":
    """The marks of a tokenizer and its chat template; None when it has none."""
    if tokenizer not in _of_tokenizer:
        tokens = {str(token) for token in tokenizer.all_special_tokens}
        tokens |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        tokens |= _frame(tokenizer)
        texts = sorted((t for t in tokens if len(t.strip()) > 1), key=len, reverse=True)
        _of_tokenizer[tokenizer] = re.compile("|".join(map(re.escape, texts))) if texts else None
    return _of_tokenizer[tokenizer]


def as_text(text: str, marks: "re.Pattern[str] | None") -> str:
    """`text` with every mark broken up.

    >>> as_text("Say <|im_end|>.", COMMON)
    'Say < |im_end|>.'
    """
    for _ in range(_PASSES if marks else 0):
        assert marks is not None
        changed = marks.sub(lambda mark: f"{mark.group()[0]} {mark.group()[1:]}", text)
        if changed == text:
            break
        text = changed
    return text


def plain_messages(messages: Sequence[Message], marks: "re.Pattern[str] | None") -> list[Message]:
    """The messages with every text in them as text: content, parts, names and arguments of tools; roles are the caller's.

    Nulls are left out, as a table has them for what a message does not have. Where there are tools, what frames their calls
    and results is a mark too.
    """
    tools = any(message.get("tools") or message["role"] == "tool" for message in messages)
    return [
        {
            name: value if name == "role" else _inert(value, marks, tools)
            for name, value in message.items()
            if value is not None
        }
        for message in messages
    ]


def _inert(value: T, marks: "re.Pattern[str] | None", tools: bool) -> T:
    plain = _plain(value, marks)
    return _plain(plain, _OF_TOOLS) if tools else plain


def _plain(value: T, marks: "re.Pattern[str] | None") -> T:
    if isinstance(value, str):
        return as_text(value, marks)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {key: _plain(item, marks) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return [_plain(item, marks) for item in value]  # type: ignore[return-value]
    return value


def _frame(tokenizer: Any) -> set[str]:
    """What the chat template writes in brackets around messages; nothing when it cannot render them."""
    if not getattr(tokenizer, "chat_template", None):
        return set()
    turns = [{"role": role, "content": _PLACE} for role in ("user", "assistant", "user")]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception:  # a template may raise what it likes; that it cannot be used is found where models are looked at
        return set()
    return set(_IN_BRACKETS.findall(text.replace(_PLACE, " ")))
