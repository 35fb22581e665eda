"""The tokens that end an answer: one set, for rollouts, training, evaluation and every engine.

generation_config.json, config.json and the tokenizer may each name one or several, and often not the same; the chat template
closes a turn with one that none of them may name. A model that was trained on that template writes it and goes on with an
invented turn unless it ends the answer.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ANSWER = "Salt comes from rocks."


def end_tokens(folder: Path, tokenizer: Any) -> tuple[int, ...]:
    """Their ids, in order; `folder`: the model's, `tokenizer`: its."""
    ids = {*_ids(tokenizer.eos_token_id), *_turn_end(tokenizer)}
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        if path.is_file():
            ids |= set(_ids(json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")))
    return tuple(sorted(ids))


def _ids(value: Any) -> list[int]:
    """Of a field that names one, several, none (null) or what stands for none (-1)."""
    values = value if isinstance(value, list | tuple) else [value]
    return [item for item in values if isinstance(item, int) and item >= 0]


def _turn_end(tokenizer: Any) -> Iterator[int]:
    """The added token with which the chat template closes an answer, if there is one."""
    if not tokenizer.chat_template:
        return
    messages = [{"role": "user", "content": "Why is the sea salty?"}, {"role": "assistant", "content": _ANSWER}]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except Exception:  # a template may refuse to render an answer; then it names no end
        return
    rest = text.rpartition(_ANSWER)[2].lstrip()
    closing = [
        (len(word), index)
        for word, index in tokenizer.get_added_vocab().items()
        if word.strip() and rest.startswith(word)
    ]
    if closing:
        yield max(closing)[1]
