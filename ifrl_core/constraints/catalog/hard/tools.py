"""Hard types on tool calls: which tool, with which arguments, how many calls and in what order, or none.

They need a conversation that lists tools. How a call is written is the model's own form (verifiers/tool_calls.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.conversation import drawn_word, example_of
from ifrl_core.constraints.catalog.hard.conversation_rules import fits_schema, is_schema, long_words, mentions
from ifrl_core.constraints.catalog.hard.tools_rules import RULES
from ifrl_core.constraints.turn_types import TurnDraft, TurnDraw, TurnType, hard_in_turn
from ifrl_core.constraints.types import Args, counted, shown
from ifrl_core.constraints.verifiers.tool_calls import OPEN, call_text, calls_in
from ifrl_core.constraints.verifiers.turn import parameters_of
from ifrl_core.constraints.witness.draft import Item
from ifrl_core.records import Constraint, Conversation


def _schemas(conversation: Conversation | None) -> dict[str, dict[str, Any]]:
    """Schemas of the tools that a least call can be made of, by name."""
    schemas = parameters_of(conversation.tools) if conversation is not None else {}
    return {
        name: schema
        for name, schema in schemas.items()
        if is_schema(schema) and fits_schema(example_of(schema), schema)
    }


def _has_tools(conversation: Conversation) -> bool:
    return bool(_schemas(conversation))


def _has_two(conversation: Conversation) -> bool:
    return len(_schemas(conversation)) > 1


def _text_arguments(conversation: Conversation) -> list[tuple[str, str]]:
    """(tool, argument) of the arguments that may be any text."""
    return [
        (tool, name)
        for tool, schema in _schemas(conversation).items()
        for name, of_argument in (schema.get("properties") or {}).items()
        if isinstance(of_argument, dict)
        and of_argument.get("type") == "string"
        and not {"enum", "format", "pattern", "const"} & set(of_argument)
    ]


def _a_tool(draw: TurnDraw) -> str:
    return draw.rng.choice(sorted(_schemas(draw.conversation)))


def _draw_arguments(draw: TurnDraw) -> Args:
    """The required arguments, and as often as not one more."""
    usable = {tool: names for tool in _schemas(draw.conversation) if (names := _names(draw, tool))}
    tool = draw.rng.choice(sorted(usable))
    return {"tool": tool, "arguments": usable[tool]}


def _names(draw: TurnDraw, tool: str) -> list[str]:
    schema = _schemas(draw.conversation)[tool]
    required = list(schema.get("required") or ())
    more = sorted(set(schema.get("properties") or {}) - set(required))
    return required + ([draw.rng.choice(more)] if more and (not required or draw.rng.random() < 0.5) else [])


def _draw_own_words(draw: TurnDraw) -> Args:
    tool, argument = draw.rng.choice(sorted(_text_arguments(draw.conversation)))
    return {"tool": tool, "argument": argument}


def _draw_order(draw: TurnDraw) -> Args:
    first, second = draw.rng.sample(sorted(_schemas(draw.conversation)), 2)
    return {"first": first, "second": second}


def _calling(
    draft: TurnDraft, tool: str, names: list[str] | None = None, values: Mapping[str, Any] | None = None
) -> None:
    """Demand a call of the tool, with arguments of these names (the required ones) and values: one there is, or one more."""
    values = values or {}
    schema = _schemas(draft.conversation).get(tool) or {}
    least = example_of(schema) if schema else {}
    kept = [name for name in (names if names is not None else least) if name not in values]
    properties = schema.get("properties") or {}
    arguments = {**{name: least.get(name, example_of(properties.get(name) or {})) for name in kept}, **values}
    for item in draft.items:
        made = calls_in(item.content or "").calls
        if made and made[0].name == tool:
            item.content = call_text(tool, {**made[0].arguments, **arguments})
            return
    draft.items.append(Item(content=call_text(tool, arguments), marked=False))


def _call(draft: TurnDraft, args: Args) -> None:
    _calling(draft, args["tool"])


def _with_arguments(draft: TurnDraft, args: Args) -> None:
    _calling(draft, args["tool"], args["arguments"])


def _own_words(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    (word, *_) = long_words(draft.conversation.request) or ["?"]
    _calling(draft, args["tool"], values={args["argument"]: word})


def _no_call(draft: TurnDraft, args: Args) -> None:
    """Plain sentences call nothing."""


def _some_call(draft: TurnDraft, args: Args) -> None:
    if not any(OPEN in (item.content or "") for item in draft.items):
        _calling(draft, min(_schemas(draft.conversation), default=""))


def _in_order(draft: TurnDraft, args: Args) -> None:
    _calling(draft, args["first"])
    _calling(draft, args["second"])


def _if_called(draft: TurnDraft, args: Args) -> None:
    assert draft.conversation is not None
    if mentions(draft.conversation, args["word"]):
        _calling(draft, args["tool"])


def _names_in(args: Mapping[str, Any]) -> Iterator[str]:
    yield from (args[name] for name in ("tool", "first", "second") if name in args)


def _only_call(args: Args, other: Constraint) -> bool:
    """Whether another constraint asks for a call beside the one of this tool."""
    return other.type == "tools:order" or any(name != args["tool"] for name in _names_in(other.args))


def _no_calls_beside(args: Args, other: Constraint) -> bool:
    return other.type.startswith("tools:")


def _calls(args: Mapping[str, Any]) -> dict[str, str]:
    return {**shown(args), "calls": counted(args["most"], "call"), "sentences": counted(args["most"], "sentence")}


def _arguments(args: Mapping[str, Any]) -> dict[str, str]:
    return {**shown(args), "count": counted(len(args["arguments"]), "argument")}


TYPES: tuple[TurnType, ...] = (
    hard_in_turn(
        "tools:call",
        "Exactly one tool call, of a given tool, with arguments of the types that the tool declares.",
        RULES["tools:call"],
        (
            "Call the tool {tool} exactly once, and no other tool.",
            "Make one tool call, to {tool}, and leave all other tools alone.",
            "Use {tool} for this: one call, with arguments of the right types, and no other call.",
            "Answer with a single call of {tool}; no further calls.",
            "The only tool call of your answer must be one of {tool}.",
            "One call of {tool} is needed, and nothing else may be called.",
        ),
        draw=lambda draw: {"tool": _a_tool(draw)},
        needs=_has_tools,
        excludes=_only_call,
        witness=_call,
    ),
    hard_in_turn(
        "tools:arguments",
        "A given tool is called with given arguments and no others, each of the type that the tool declares.",
        RULES["tools:arguments"],
        (
            "Call {tool} with {arguments}, and with no other arguments.",
            "Give {arguments} in your call of {tool}, each of its declared type, and nothing more.",
            "Your call of {tool} must set {arguments} and leave everything else out.",
            "When you call {tool}, pass exactly {count}: {arguments}.",
            "Use {tool} and fill in {arguments} only.",
            "The call of {tool} takes {arguments} here, no fewer and no more.",
        ),
        draw=_draw_arguments,
        fields=_arguments,
        needs=lambda conversation: any(schema.get("properties") for schema in _schemas(conversation).values()),
        slots=("arguments",),
        witness=_with_arguments,
    ),
    hard_in_turn(
        "tools:own_words",
        "A given tool is called with words of the user's last message, as they stand, for an argument.",
        RULES["tools:own_words"],
        (
            'Call {tool} and take its argument "{argument}" word for word from my message.',
            'In your call of {tool}, "{argument}" must be words of this message, exactly as I wrote them.',
            'Pass my own words from this message as "{argument}" to {tool}.',
            'Use {tool}; copy what goes into "{argument}" from my message.',
            'The argument "{argument}" of {tool} has to be copied from this message.',
            'When you call {tool}, do not put "{argument}" in other words than mine in this message.',
        ),
        draw=_draw_own_words,
        needs=lambda conversation: bool(_text_arguments(conversation) and long_words(conversation.request)),
        witness=_own_words,
    ),
    hard_in_turn(
        "tools:none",
        "No tool call.",
        RULES["tools:none"],
        (
            "Do not call any tool.",
            "Answer without a tool call.",
            "Call none of the tools; answer from what you know.",
            "No tool may be called for this.",
            "Leave the tools alone and answer in words.",
            "Tool calls are not allowed in this answer.",
        ),
        needs=_has_tools,
        excludes=_no_calls_beside,
        witness=_no_call,
    ),
    hard_in_turn(
        "tools:listed_only",
        "At least one tool call and at most a given number, all of tools that are listed.",
        RULES["tools:listed_only"],
        (
            "Call at least one tool, only tools that are listed, and make {calls} at most.",
            "Use the listed tools and no others, in at least one and no more than {calls}.",
            "Make one or more tool calls, {calls} at most, each of a tool on the list.",
            "Only tools of the list may be called; call one at least, and make no more than {calls}.",
            "Work with the listed tools alone: at least one call, at most {calls}.",
            "Invent no tool. Make at least one call and at most {calls}.",
        ),
        draw=lambda draw: {"most": draw.upto(2, 4)},
        fields=_calls,
        needs=_has_tools,
        witness=_some_call,
    ),
    hard_in_turn(
        "tools:order",
        "Two tools are called, one before the other.",
        RULES["tools:order"],
        (
            "Call {first} first and {second} after it.",
            "Make a call of {first}, then one of {second}, in this order.",
            "Both {first} and {second} must be called, {first} before {second}.",
            "Use {second} only after {first}; both are needed.",
            "Your calls have to come in this order: {first}, {second}.",
            "Begin with a call of {first}; a call of {second} has to follow.",
        ),
        draw=_draw_order,
        needs=_has_two,
        witness=_in_order,
    ),
    hard_in_turn(
        "tools:text_first",
        "A few sentences before the first tool call.",
        RULES["tools:text_first"],
        (
            "Before you call a tool, say what you are going to do in {sentences} at most, then call it.",
            "Write at most {sentences} (one at least) and then make your tool call.",
            "Announce your tool call in no more than {sentences} before it.",
            "Start with a short text of {sentences} or less; the tool call follows.",
            "A tool call is needed, and before it a text of at most {sentences}.",
            "Tell me what you will look up, in {sentences} at most, and only then call a tool.",
        ),
        draw=lambda draw: {"most": draw.upto(1, 3)},
        fields=_calls,
        needs=_has_tools,
        min_words=10,
        witness=_some_call,
    ),
    hard_in_turn(
        "tools:if_mentioned",
        "A given tool is called if the user has mentioned a word before, and no tool otherwise.",
        RULES["tools:if_mentioned"],
        (
            'If an earlier message of mine mentions "{word}", call {tool} once; if none does, call no tool.',
            'Call {tool} (once) only if I have used the word "{word}" in an earlier message; else call nothing.',
            'Have I written "{word}" in an earlier message, make one call of {tool}; otherwise make no call.',
            'One call of {tool} is right if "{word}" stands in an earlier message of mine, and no call if not.',
            'Use {tool} once in case my earlier messages mention "{word}"; use no tool in the other case.',
            'Call {tool} or not by my earlier messages: one call if they mention "{word}", no call if they do not.',
        ),
        draw=lambda draw: {"word": drawn_word(draw), "tool": _a_tool(draw)},
        needs=lambda conversation: _has_tools(conversation) and len(conversation.user_turns) > 1,
        excludes=_no_calls_beside,
        witness=_if_called,
    ),
)  # fmt: skip
