"""What is marked as a refusal, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.rollouts.refusals import refuses


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I can’t do that.",
        "Sorry, I cannot help you with this.",
        "I cannot provide medical advice.",
        "I won't write that.",
        "I am unable to help with that.",
        "**I must decline.** It is not safe.",
        "Unfortunately, I am not able to do so.",
        "As an AI language model, I do not have feelings.",
    ],
)
def test_refusals_are_told_by_their_opening(answer: str) -> None:
    assert refuses(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I can help with that: first, boil the water.",
        "Sorry is the hardest word, and here is why.",
        "I'm sorry to hear about your loss.",
        "The keeper said: I cannot help you.",
        "As an artist, I do not paint by numbers.",
        "I can't wait to tell you about Lisbon!",
        "I cannot recommend this book enough.",
    ],
)
def test_answers_that_only_sound_alike_are_not(answer: str) -> None:
    assert not refuses(answer)


@given(st.text())
def test_no_text_raises(answer: str) -> None:
    assert refuses(answer) in (True, False)
