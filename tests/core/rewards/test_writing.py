"""Written constraints: gates, a band of pass rates, a quota a template, and when writing has decayed."""

import json

import pytest

from ifrl_core.config import InstructionsConfig
from ifrl_core.evolving.taste import FLOOR
from ifrl_core.rewards.writing import (
    WritingPlan,
    gives_answer,
    has_decayed,
    is_directive,
    read_writing,
    template_of,
    writing_rewards,
    writing_shares,
)
from ifrl_core.text.reasoning import THINK

CONFIG = InstructionsConfig(writer="instructor", max_words=60)
SEED = "Describe a lighthouse."
COMMA, SENTENCES = "punctuation:no_comma", "length_constraints:number_sentences"
PLAN = WritingPlan(instructions=CONFIG, rates={COMMA: 0.5, SENTENCES: 0.95})


def reply(*texts: str) -> str:
    return json.dumps({f"c{n}": {"text": text, "type": "free", "args": {}} for n, text in enumerate(texts, 1)})


@pytest.mark.parametrize(
    ("text", "directive"),
    [
        ("Speak of the sea as an old friend would.", True),
        ("Please use plain words.", True),
        ("Your answer must sound hopeful.", True),
        ("Don't mention ships.", True),
        ("The sea is deep and cold.", False),
        ("A lighthouse guides ships at night.", False),
        ("What is a lighthouse?", False),
        ("Can you describe what must be said?", False),
        ("", False),
    ],
)
def test_what_tells_to_do_something_is_told_from_what_tells_something(text: str, directive: bool) -> None:
    assert is_directive(text) == directive


def test_a_long_text_on_the_seeds_matter_gives_the_answer_away() -> None:
    answer = (
        "Describe that the lighthouse is a tall white tower on a rock whose lamp turns all night long so that every "
    )
    assert gives_answer(answer + "ship out at sea can find its way home to the harbour.", SEED)
    assert not gives_answer("Describe the lighthouse at night.", SEED)


def test_only_what_passes_every_gate_earns_and_by_the_band() -> None:
    texts = (
        "Do not use any commas in your answer.",
        "Your answer must contain at least 3 sentences.",
        "Your answer must contain less than 2 sentences.",  # conflicts with the one before
        "Speak of the sea as an old friend would.",
        "The sea is deep and cold.",  # tells nothing to do
    )
    reading = read_writing(reply(*texts), SEED, CONFIG, THINK)
    assert (reading.proposals, reading.directives) == (5, 4)
    assert [item.type for item in reading.constraints] == [COMMA, SENTENCES, "soft:free"]
    others = [read_writing("no json", SEED, CONFIG, THINK)] * 14
    rewards = writing_rewards([reading, *others], PLAN, [reading, *others])
    assert rewards[0].parts == (1.0, FLOOR, FLOOR), (
        "0.5 is the middle of the band, 0.95 outside, of words no rate is known"
    )
    assert rewards[0].total == pytest.approx((1.0 + 2 * FLOOR) / CONFIG.max_constraints)
    assert rewards[1].total == 0.0


def test_a_template_beyond_its_quota_earns_less_by_as_much() -> None:
    same = read_writing(reply("Do not use any commas in your answer."), SEED, CONFIG, THINK)
    nothing = read_writing("", SEED, CONFIG, THINK)
    of_steps = [[same] * n + [nothing] * (10 - n) for n in (2, 4, 8)]
    parts = [writing_rewards([same], PLAN, of_step)[0].parts[0] for of_step in of_steps]
    assert parts == pytest.approx([1.0, 0.5, 0.25])


def test_templates_are_told_without_numbers_and_quotations_and_shares_count_them() -> None:
    first, second = (
        read_writing(reply(text), SEED, CONFIG, THINK)
        for text in ('Mention the word "sea" near 3 ships.', 'Mention the word "rock" near 7 birds.')
    )
    assert template_of(first.constraints[0]) == template_of(second.constraints[0])
    shares = writing_shares([first, second, read_writing("?", SEED, CONFIG, THINK)])
    assert shares == {"parsed": 2 / 3, "directive": 1.0, "distinct": 0.5, "top": 1.0, "kept": 2 / 3}
    empty = writing_shares([read_writing("?", SEED, CONFIG, THINK)])
    assert set(empty.values()) == {0.0}


@pytest.mark.parametrize(
    ("change", "decayed"),
    [({}, False), ({"directive": 0.6}, True), ({"distinct": 0.3}, True), ({"top": 0.3}, True), ({"top": 0.0}, False)],
)
def test_writing_has_decayed_when_one_share_is_worse_by_ten_points(change: dict[str, float], decayed: bool) -> None:
    before = {"parsed": 1.0, "directive": 0.8, "distinct": 0.5, "top": 0.1, "kept": 3.0}
    assert has_decayed(before | change, before) == decayed
    nothing = writing_shares([read_writing("?", SEED, CONFIG, THINK)])
    assert has_decayed(nothing, before)
    assert not has_decayed(before | change, nothing), "whoever wrote nothing cannot write worse"
