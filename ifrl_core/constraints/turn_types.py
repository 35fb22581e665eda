"""Types of conversations: what they ask for, draw and demand looks at the system message, the tools and what was said.

Such a type is drawn where a recipe names it (or its family) and the seed's conversation has what it needs, never otherwise.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ifrl_core.constraints.types import ConstraintType, Draw
from ifrl_core.constraints.verifiers.turn import TurnRule
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Conversation

Needs = Callable[[Conversation], bool]


@dataclass(frozen=True)
class TurnDraw(Draw):
    """What sampling of a type's arguments may look at: the conversation too."""

    conversation: Conversation


@dataclass
class TurnDraft(Draft):
    """Demands on the next turn of a conversation; without one, the types that need it demand nothing."""

    conversation: Conversation | None = None


def any_conversation(conversation: Conversation) -> bool:
    return True


@dataclass(frozen=True)
class TurnType(ConstraintType):
    """A type of conversations. `needs` says whether one has what the type asks for; `draw` is given a TurnDraw, `witness` a
    TurnDraft, and the rule, a TurnRule, a Turn."""

    needs: Needs = any_conversation

    def asked_in(self, conversation: Conversation) -> ConstraintType:
        """The type as it is drawn for one conversation.

        Raises:
            ConstraintError: when that lacks what the type needs.
        """
        if not self.needs(conversation):
            raise ConstraintError(f"{self.id} cannot be drawn: {lacking(self, conversation)}")

        def draw(draw: Draw) -> dict[str, Any]:
            return self.draw(TurnDraw(draw.rng, draw.seed_text, draw.max_words, conversation))

        plain = {item.name: getattr(self, item.name) for item in fields(ConstraintType)}
        return ConstraintType(**{**plain, "draw": draw})


def hard_in_turn(
    id: str,
    description: str,
    rule: TurnRule,
    wordings: tuple[str, ...],
    *,
    slots: tuple[str, ...] = (),
    **rest: Any,
) -> TurnType:
    """A hard type: decided by `rule`, whose argument schema it takes."""
    return TurnType(
        id=id, kind="hard", description=description, wordings=wordings, rule=rule, arguments=rule.arguments,
        slots=frozenset(slots), **rest,
    )  # fmt: skip


def askable(type_: ConstraintType, conversation: Conversation) -> ConstraintType | None:
    """The type as it is drawn for a conversation, plain types as they are; None where that lacks what it needs."""
    if not isinstance(type_, TurnType):
        return type_
    return type_.asked_in(conversation) if type_.needs(conversation) else None


def lacking(type_: ConstraintType, conversation: Conversation | None) -> str:
    """Why a type of conversations cannot be asked or judged."""
    if conversation is None:
        return "it needs the conversation (system message, turns, tools) that is answered, and none is given"
    return (
        f"the conversation of {len(conversation.messages)} messages has nothing that it is about: {type_.description}"
    )


def example(type_: ConstraintType) -> ConstraintType:
    """The type as it is drawn where no conversation is at hand: for EXAMPLE, which has what any type needs."""
    return type_.asked_in(EXAMPLE) if isinstance(type_, TurnType) else type_


def _tool(name: str, description: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


_TOOLS = [
    _tool("find_boats", "Boats that leave a harbour on a day", harbour={"type": "string"}, day={"type": "integer"}),
    _tool("book_seat", "Book a seat on a boat", boat={"type": "string"}, seats={"type": "integer"}),
]
EXAMPLE = Conversation(
    (
        {
            "role": "system",
            "content": 'You help travellers of the harbour office. Always end your answers with "Fair winds." and give the '
            "reference code HB-2041 whenever boats are concerned.",
            "tools": json.dumps(_TOOLS),
        },
        {"role": "user", "content": "Which boats leave the western harbour early on the 14 of May?"},
        {
            "role": "assistant",
            "content": "* The Heron leaves at six and takes about forty people over to the lighthouse island.\n"
            "* The Gull leaves at seven and stops at the fishing village on its way there. Fair winds.",
        },
        {"role": "user", "content": "Describe the life of a lighthouse keeper."},
    )
)
