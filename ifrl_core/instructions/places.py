"""Where in a conversation the constraints of a ladder stand: in the last user turn, in an earlier one, in the system message.

A constraint has one place on all rungs, so neighbouring rungs differ by its text alone. Types of conversations speak of what
was said before the last turn ("your last answer") and stand there.
"""

import random
from collections.abc import Sequence
from typing import Literal

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.models.rendering import rendering
from ifrl_core.records import Constraint, Conversation, Instruction, Message

Layout = Literal["sentences", "list"]
Place = Literal["last", "system", "earlier", "mixed"]
_LASTING = "This holds for all of your answers:"


def places_of(instruction: Instruction, place: Place, seed: int) -> list[Place]:
    """The place of each constraint: last, system or earlier; last where there is no earlier turn.

    `mixed` draws one for each by the random seed.
    """
    conversation = instruction.conversation
    possible: list[Place] = ["last", "system", *(["earlier"] if len(conversation.user_turns) > 1 else [])]  # type: ignore[list-item]
    rng = random.Random(f"places:{seed}:{instruction.instruction_id}")
    drawn = [rng.choice(possible) if place == "mixed" else place for _ in instruction.constraints]
    return [
        "last" if chosen not in possible or isinstance(CATALOG.get(constraint.type), TurnType) else chosen
        for chosen, constraint in zip(drawn, instruction.constraints, strict=True)
    ]


def wording(place: Place) -> str:
    """Digest of how constraints are put in their places, as identity; empty for `last`, where they stand as they are."""
    return "" if place == "last" else rendering(placed)


def placed(
    conversation: Conversation, constraints: Sequence[Constraint], places: Sequence[Place], layout: Layout
) -> list[Message]:
    """The messages with the constraints in their places."""

    def at(place: Place) -> list[str]:
        return [item.text.strip() for item, where in zip(constraints, places, strict=True) if where == place]

    messages = conversation.asking(with_texts(conversation.request.strip(), at("last"), layout))
    if earlier := at("earlier"):
        first = next(number for number, message in enumerate(messages) if message["role"] == "user")
        messages[first] = _lasting(messages[first], earlier, layout)
    if system := at("system"):
        if messages[0]["role"] != "system":  # tools ride on the first message
            first_message = {name: value for name, value in messages[0].items() if name != "tools"}
            tools = {"tools": messages[0]["tools"]} if "tools" in messages[0] else {}
            messages[:1] = [{"role": "system", "content": "", **tools}, first_message]
        messages[0] = _lasting(messages[0], system, layout)
    return messages


def with_texts(before: str, texts: Sequence[str], layout: Layout, *, head: str = "") -> str:
    """A text, then constraints as sentences of one paragraph or as a list, behind `head`."""
    if not texts:
        return before
    if layout == "list":
        return "\n".join([f"{before}\n\n{head or 'Requirements:'}", *(f"- {text}" for text in texts)]).strip()
    return f"{before}\n\n{' '.join([head, *texts] if head else texts)}".strip()


def _lasting(message: Message, texts: Sequence[str], layout: Layout) -> Message:
    return {**message, "content": with_texts(message["content"].strip(), texts, layout, head=_LASTING)}
