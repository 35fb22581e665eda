"""Reasoning is not the answer."""

from ifrl_core.constraints.verifiers.answer import ReasoningTags, answer_of


def test_text_without_tags_is_the_answer() -> None:
    assert answer_of("Just this.") == "Just this."


def test_the_answer_follows_the_last_closing_tag() -> None:
    assert answer_of("<think>a</think>b<think>c</think>\n d") == "d"


def test_a_closing_tag_alone_ends_reasoning_that_the_prompt_opened() -> None:
    assert answer_of("thinking</think>answer") == "answer"


def test_unfinished_reasoning_has_no_answer() -> None:
    assert answer_of("  <think>still at it") is None


def test_a_model_that_must_reason_has_no_answer_without_the_closing_tag() -> None:
    assert answer_of("quick answer", required=True) is None


def test_tags_are_configurable_and_can_be_switched_off() -> None:
    assert answer_of("[r]x[/r]y", ReasoningTags("[r]", "[/r]")) == "y"
    assert answer_of("<think>x</think>y", None) == "<think>x</think>y"
