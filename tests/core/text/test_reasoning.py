"""Reasoning is not the answer."""

import pytest

from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning, answer_of, answer_start

ALWAYS = Reasoning(always=True)


@pytest.mark.parametrize(
    ("response", "reasoning", "answer"),
    [
        ("Just this.", THINK, "Just this."),
        (" Just this. \n", THINK, " Just this. \n"),
        ("<think>a</think>b<think>c</think>\n d", THINK, "d"),
        ("thinking</think>answer", THINK, "answer"),  # the prompt opened it
        ("  <think>still at it", THINK, ""),
        ("<think>a</think>\n<think>once more", THINK, ""),
        ("quick answer", ALWAYS, ""),
        ("thinking</think>answer", ALWAYS, "answer"),
        ("thinking</think>", ALWAYS, ""),
        ("", ALWAYS, ""),
        ("[r]x[/r]y", Reasoning(open="[r]", close="[/r]"), "y"),
        ("<think>x</think>y", Reasoning(open="[r]", close="[/r]"), "<think>x</think>y"),
        ("<think>x</think>y", WHOLE, "<think>x</think>y"),
        ("<think>x", WHOLE, "<think>x"),
    ],
)
def test_the_answer_follows_the_last_closing_tag(response: str, reasoning: Reasoning, answer: str) -> None:
    assert answer_of(response, reasoning) == answer
    assert response[answer_start(response, reasoning) :] == answer
