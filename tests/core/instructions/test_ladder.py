"""Ladders of prompts."""

import itertools

import pytest

from ifrl_core.instructions.ladder import prompt_text, reordered, rungs
from ifrl_core.instructions.places import Layout, Place
from ifrl_core.records import Constraint, Instruction, Message

CONSTRAINTS = tuple(Constraint(f"t:{n}", "soft", f"Do thing {n}.") for n in "abc")
INSTRUCTION = Instruction("i1", "Name a fruit. ", CONSTRAINTS, "test")
DIALOG: tuple[Message, ...] = (
    {"role": "user", "content": "Hello.", "tools": "[]"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Name a fruit."},
)


def test_a_ladder_has_one_single_message_prompt_per_level() -> None:
    assert [len(messages) for messages in rungs(INSTRUCTION)] == [1, 1, 1, 1]
    assert rungs(INSTRUCTION)[2] == [{"role": "user", "content": "Name a fruit.\n\nDo thing a. Do thing b."}]


@pytest.mark.parametrize("layout", ["sentences", "list"])
def test_each_prompt_is_a_prefix_of_the_next(layout: Layout) -> None:
    prompts = [prompt_text(INSTRUCTION, level, layout=layout) for level in range(4)]
    for lower, higher in itertools.pairwise(prompts):
        assert higher.startswith(lower)
        assert len(higher) > len(lower)


def test_the_lowest_rung_is_the_seed_alone() -> None:
    assert prompt_text(INSTRUCTION, 0) == "Name a fruit."


def test_a_level_above_the_top_is_refused() -> None:
    with pytest.raises(ValueError, match="i1"):
        prompt_text(INSTRUCTION, 4)


def test_random_order_depends_on_seed_and_id_but_not_on_the_written_order() -> None:
    other = Instruction("i1", "Name a fruit.", CONSTRAINTS[::-1], "test")
    assert reordered(INSTRUCTION, "random", seed=3).constraints == reordered(other, "random", seed=3).constraints
    shuffled = [reordered(INSTRUCTION, "random", seed=seed).constraints for seed in range(40)]
    assert len({tuple(c.type for c in constraints) for constraints in shuffled}) == 6  # all of 3!


def test_easy_to_hard_puts_high_pass_rates_first_and_unknown_ones_in_the_middle() -> None:
    ordered = reordered(INSTRUCTION, "easy_to_hard", pass_rates={"t:a": 0.1, "t:c": 0.9})
    assert [c.type for c in ordered.constraints] == ["t:c", "t:b", "t:a"]


def test_easy_to_hard_without_pass_rates_is_refused() -> None:
    with pytest.raises(ValueError, match="pass rates"):
        reordered(INSTRUCTION, "easy_to_hard")


def texts(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


@pytest.mark.parametrize("layout", ["sentences", "list"])
@pytest.mark.parametrize("place", ["last", "system", "earlier", "mixed"])
def test_neighbouring_rungs_differ_by_one_constraint_in_its_place(place: Place, layout: Layout) -> None:
    for number in range(8):
        instruction = Instruction(f"i{number}", "Name a fruit.", CONSTRAINTS, "test", DIALOG)
        ladder = rungs(instruction, layout=layout, place=place, seed=3)
        assert texts(ladder[0]) == [("user", "Hello."), ("assistant", "Hello!"), ("user", "Name a fruit.")]
        assert all(messages[0].get("tools") == "[]" for messages in ladder)  # they ride on the first message
        for (lower, higher), constraint in zip(itertools.pairwise(ladder), CONSTRAINTS, strict=True):
            lower = lower if len(lower) == len(higher) else [{"role": "system", "content": ""}, *lower]
            changed = [(a, b) for a, b in zip(texts(lower), texts(higher), strict=True) if a != b]
            [(before, after)] = changed
            assert after[1].startswith(before[1])
            assert after[1].endswith(constraint.text)


def test_places_are_drawn_for_each_constraint_and_not_where_there_are_none() -> None:
    instructions = [Instruction(f"i{n}", "Name a fruit.", CONSTRAINTS, "test", DIALOG) for n in range(20)]
    where = {
        (number, len(messages))
        for instruction in instructions
        for messages in [rungs(instruction, place="mixed", seed=1)[1]]
        for number, message in enumerate(messages)
        if "Do thing a." in message["content"]
    }
    assert where == {(0, 4), (0, 3), (2, 3)}  # system, first, last
    assert rungs(INSTRUCTION, place="earlier") == rungs(INSTRUCTION)
    assert rungs(INSTRUCTION, place="system")[1][0] == {
        "role": "system",
        "content": "This holds for all of your answers: Do thing a.",
    }
    turn_type = Constraint("tools:none", "hard", "Call no tool.")
    kept = Instruction("i", "Name a fruit.", (turn_type,), "test", DIALOG)
    assert rungs(kept, place="system") == rungs(kept)
