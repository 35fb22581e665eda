"""What counts as dropping the task."""

import pytest

from ifrl_core.rewards import drops_task

SEED = "Explain to a child how bread is baked."


@pytest.mark.parametrize(
    "response",
    [
        "",
        "That is all.",
        "Bread, baked.",
        "My answer has a title and no commas at all.",
        "Here is a short answer that I write to explain it to you.",
    ],
)
def test_answers_that_leave_the_task_aside(response: str) -> None:
    assert drops_task(SEED, response)


@pytest.mark.parametrize(
    "response",
    [
        "First you mix flour and water, then the dough goes into the oven and becomes BREAD.",
        "Baking starts with flour and a little yeast.",
        "The children in the kitchen wait for the oven.",
    ],
)
def test_answers_about_the_task(response: str) -> None:
    assert not drops_task(SEED, response)


def test_short_words_of_the_task_count() -> None:
    assert not drops_task("What does my cat think?", "A cat thinks of sleep and food.")


def test_a_seed_without_content_words_is_judged_by_length() -> None:
    assert not drops_task("Tell me something.", "Clouds are made of tiny drops.")
    assert drops_task("Tell me something.", "Clouds are made.")
