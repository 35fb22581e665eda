"""What a server's answer says, field by field."""

import json

import pytest

from ifrl_core.inference.chat_answer import read_answer
from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_a_server_gives_apart_is_in_the_text_again(field: str) -> None:
    def text(content: str | None, reasoning: Reasoning = THINK, thought: str | None = "hm") -> str:
        message = {"content": content, field: thought}
        body = {"choices": [{"message": message, "finish_reason": "stop"}]}
        return read_answer(json.dumps(body).encode(), reasoning).text

    assert text("Yes.") == "<think>hm</think>Yes."
    assert text(None) == "<think>hm"  # the budget ended it
    assert text("Yes.", Reasoning(open="[r]", close="[/r]")) == "[r]hm[/r]Yes."
    assert text("Yes.", WHOLE) == "Yes."
    assert text("Yes.", thought=None) == "Yes."
