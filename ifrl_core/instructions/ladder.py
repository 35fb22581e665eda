"""Ladders: the prompts L0..Ln of an instruction, where Lk is the seed with its first k constraints (paper, 3.1).

Of a conversation, constraints are added to the last user turn, or where `places` says; all else is in every rung as it is.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from ifrl_core.constraints.types import fingerprint_of_args
from ifrl_core.instructions.places import Layout, Place, placed, places_of, with_texts
from ifrl_core.records import Instruction, Message

Order = Literal["as_written", "random", "easy_to_hard"]


def prompt_text(instruction: Instruction, level: int, *, layout: Layout = "sentences") -> str:
    """The prompt Lk: the seed, then its first `level` constraints as sentences of one paragraph or as a list.

    Nothing but an addition at the end distinguishes Lk+1 from Lk, so an engine can reuse the prefix.
    """
    if not 0 <= level <= len(instruction.constraints):
        raise ValueError(f"{instruction.instruction_id}: no level {level}; its top is {len(instruction.constraints)}")
    texts = [constraint.text.strip() for constraint in instruction.constraints[:level]]
    return with_texts(instruction.seed.strip(), texts, layout)


def rungs(
    instruction: Instruction, *, layout: Layout = "sentences", place: Place = "last", seed: int = 0
) -> list[list[Message]]:
    """The ladder L0..Ln as chat messages: the conversation with one more constraint a level, each in its place (`places_of`).

    >>> no_comma = Constraint("punctuation:no_comma", "hard", "Use no commas.")
    >>> rungs(Instruction("i", "Name a fruit.", (no_comma,), "user"))
    [[{'role': 'user', 'content': 'Name a fruit.'}], [{'role': 'user', 'content': 'Name a fruit.\\n\\nUse no commas.'}]]
    """
    conversation, constraints = instruction.conversation, instruction.constraints
    places = places_of(instruction, place, seed)
    return [placed(conversation, constraints[:level], places[:level], layout) for level in range(len(constraints) + 1)]


def reordered(
    instruction: Instruction,
    order: Order = "as_written",
    *,
    seed: int = 0,
    pass_rates: Mapping[str, float] | None = None,
) -> Instruction:
    """The instruction with its constraints in another order, stable for equal inputs on any machine.

    `random` shuffles by `seed` and the instruction's id; `easy_to_hard` sorts by the measured pass rate of each type,
    highest first, types without one in the middle (0.5) and ties as written.

    Raises:
        ValueError: for `easy_to_hard` without pass rates, and for an unknown order.
    """
    constraints = list(instruction.constraints)
    if order == "random":
        # Sorted first, so that the order does not depend on who wrote the constraints in which order.
        constraints.sort(key=lambda c: (c.type, fingerprint_of_args(c.args), c.text))
        random.Random(f"{seed}:{instruction.instruction_id}").shuffle(constraints)
    elif order == "easy_to_hard":
        if pass_rates is None:
            raise ValueError("the order easy_to_hard needs measured pass rates by constraint type")
        constraints.sort(key=lambda c: -pass_rates.get(c.type, 0.5))
    elif order != "as_written":
        raise ValueError(f"unknown ladder order {order!r}; expected as_written, random or easy_to_hard")
    return replace(instruction, constraints=tuple(constraints))
