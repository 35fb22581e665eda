"""What an OpenAI-compatible server answers, field by field: mended where that is safe, refused by name where it is not."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifrl_core.inference.engine import Completion
from ifrl_core.models.chat_form import call_as_text
from ifrl_core.records import Message, whole_text
from ifrl_core.text.reasoning import THINK, Reasoning

_EXCERPT = 200
_BYTES_A_TOKEN = 4  # of UTF-8, about what vocabularies of today make of English
_CUT_OFF = {"length", "max_tokens"}  # OpenAI's word, and that of gateways to other services


class MalformedError(Exception):
    """An answer with status 200 that is no chat completion: which field, what was found, what was expected."""


@dataclass(frozen=True)
class ChatAnswer:
    """The first choice of an answer. `usage`: tokens of the prompt and of the completion, None where the server does not say;
    `surrogates`: halves of surrogate pairs that were replaced in the text; `finish_reason` None: not given."""

    text: str
    finish_reason: str | None
    usage: tuple[int, int] | None
    surrogates: int

    def completed(self, messages: Sequence[Message], max_tokens: int, count_tokens: Callable[[str], int]) -> Completion:
        """The completion of a request; what the server left out is counted or follows from the counts."""
        counted = self.usage or (sum(count_tokens(item["content"]) for item in messages), count_tokens(self.text))
        prompt_tokens, completion_tokens = counted
        cut_off = completion_tokens >= max_tokens if self.finish_reason is None else self.finish_reason in _CUT_OFF
        return Completion(self.text, "length" if cut_off else "stop", prompt_tokens, completion_tokens)


def read_answer(body: bytes, reasoning: Reasoning = THINK) -> ChatAnswer:
    """The answer in a body. Where the server took reasoning out of it, the text is both again, with the tags of `reasoning`.

    Raises:
        MalformedError: naming the field that is missing or wrong.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise MalformedError(f"it is not JSON ({error}): {_excerpt(body.decode(errors='replace'))}") from None
    choices = _field(document, "the answer", "choices", list)
    if not choices:
        raise MalformedError(f"choices is empty; expected one choice: {_excerpt(document)}")
    message = _field(choices[0], "choices[0]", "message", dict)
    said = "\n".join(filter(None, (_text(message.get("content")), *_calls(message.get("tool_calls")))))
    text = _with_reasoning(said, message, reasoning)
    whole = whole_text(text)
    reason = choices[0].get("finish_reason")
    return ChatAnswer(
        text=whole,
        finish_reason=reason if isinstance(reason, str) else None,
        usage=_usage(document.get("usage")),
        surrogates=sum(before != after for before, after in zip(text, whole, strict=True)),
    )


def roughly_counted(text: str) -> int:
    """About how many tokens a text has, where no tokenizer is at hand."""
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def _text(content: Any) -> str:
    """The text of a message's content: a string, a list of parts of which those of text count, or null."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        texts = [part.get("text") for part in content if part.get("type", "text") in ("text", "output_text")]
        if all(isinstance(text, str) for text in texts):
            return "".join(texts)
    raise MalformedError(
        f"choices[0].message.content is {_excerpt(content)}; expected a string, a list of text parts or null"
    )


def _calls(calls: Any) -> Iterator[str]:
    """What a server's parser took out of the text as calls of tools, as the text that it was (models/chat_form.py)."""
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise MalformedError(
                f"choices[0].message.tool_calls holds {_excerpt(call)}; expected a function with a name"
            )
        arguments = function.get("arguments") or "{}"
        whole = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield call_as_text(json.dumps(function["name"], ensure_ascii=False), whole)


def _with_reasoning(content: str, message: Mapping[str, Any], reasoning: Reasoning) -> str:
    """A response that a server's reasoning parser may have made two of (`reasoning_content`; `reasoning` in later vLLM)."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    if not isinstance(thought, str) or not thought or not reasoning.close:
        return content
    return f"{reasoning.open}{thought}{reasoning.close}{content}" if content else f"{reasoning.open}{thought}"


def _usage(usage: Any) -> tuple[int, int] | None:
    if not isinstance(usage, Mapping):
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt_tokens, completion_tokens = counts
    if not (isinstance(prompt_tokens, int) and isinstance(completion_tokens, int)):
        return None
    return prompt_tokens, completion_tokens


def _field(document: Any, where: str, name: str, kind: type) -> Any:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "an object"
        raise MalformedError(f"{where} has no {name} that is {expected}: {_excerpt(document)}")
    return value


def _excerpt(value: Any) -> str:
    return whole_text(value if isinstance(value, str) else json.dumps(value))[:_EXCERPT]
