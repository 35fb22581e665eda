"""How far the answers before the last one keep to what stands before them: constraints placed earlier, rules of a message."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ifrl_core.constraints.catalog.hard.conversation_rules import standing
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.records import Constraint, Conversation, Message, Row, constraint_of, messages_of, with_history

_RULE = "conversation:hold_rule"  # names a rule that stands since an earlier message


def spoken(messages: Sequence[Message]) -> list[int]:
    """Places of what the assistant says before the user goes on; its calls of tools are not among them."""
    return [
        place
        for place, (message, after) in enumerate(pairwise(messages))
        if (message["role"], after["role"]) == ("assistant", "user") and "tool_calls" not in message
    ]


def kept_before(asked: Conversation, rung: Row) -> list[list[bool]]:
    """For each constraint of a rung, whether the answers that it stood before keep it, one after the other; none where it
    stands in the last turn, or no rule decides. `asked` is the conversation of the rung's ladder without constraints."""
    messages, plain = messages_of(rung["messages"]), with_history(asked, rung["messages"]).messages
    turns = [(messages[:place], plain[:at], messages[place]["content"]) for place, at in _both(messages, plain)]
    return [
        [
            bool(verdict)
            for said, before, answer in turns
            if _stands(item, said, before)
            for verdict in verdicts_in(Conversation(tuple(before)), [item], answer)
        ]
        for item in map(constraint_of, rung["constraints"])
    ]


def _both(messages: Sequence[Message], plain: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """Places of the same turn with constraints, which may have brought a system message, and without."""
    return zip(spoken(messages), spoken(plain), strict=True)


def _stands(item: Constraint, said: Sequence[Message], before: Sequence[Message]) -> bool:
    if item.type == _RULE:
        conversation, turn = Conversation(tuple(before)), item.args["turn_number"]
        return turn < len(conversation.user_turns) and bool(standing(conversation, turn))
    if item.kind != "hard" or isinstance(CATALOG.get(item.type), TurnType):
        return False
    return any(item.text.strip() in message["content"] for message in said if message["role"] != "assistant")
