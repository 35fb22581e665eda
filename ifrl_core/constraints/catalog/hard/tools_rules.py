"""Rules on the tool calls of an answer: which, how many, in what order, with which arguments. Calls are read, never made.

A call that cannot be read, of a tool that is not listed, or with arguments that are not of the tool's schema, meets none.
"""

from typing import Any

from ifrl_core.constraints.catalog.hard.conversation_rules import fits_schema, lower_words, mentions
from ifrl_core.constraints.verifiers.arguments import Integer, Text, Texts
from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.tool_calls import ToolCall
from ifrl_core.constraints.verifiers.turn import Turn, TurnRule, parameters_of


def calls_of(turn: Turn) -> tuple[ToolCall, ...]:
    """The calls of an answer when all of them are as the tools' schemas say; none otherwise."""
    schemas = parameters_of(turn.conversation.tools)
    fit = all(
        call.name in schemas and fits_schema(dict(call.arguments), schemas[call.name]) for call in turn.calls.calls
    )
    return turn.calls.calls if fit and not turn.calls.broken else ()


def call(turn: Turn, tool: str) -> bool:
    """One call, of this tool."""
    return [made.name for made in calls_of(turn)] == [tool]


def arguments(turn: Turn, tool: str, arguments: list[str]) -> bool:
    """The tool is called, each time with these arguments and no others."""
    made = [set(made.arguments) for made in calls_of(turn) if made.name == tool]
    return bool(made) and all(names == set(arguments) for names in made)


def own_words(turn: Turn, tool: str, argument: str) -> bool:
    """The tool is called, each time with words of the last user turn, as they stand there, for an argument."""
    said = f" {' '.join(lower_words(turn.request))} "
    values = [made.arguments.get(argument) for made in calls_of(turn) if made.name == tool]
    return bool(values) and all(_stands_in(value, said) for value in values)


def _stands_in(value: Any, said: str) -> bool:
    words = lower_words(value) if isinstance(value, str) else []
    return bool(words) and f" {' '.join(words)} " in said


def none(turn: Turn) -> bool:
    """No call, not even one that cannot be read."""
    return turn.calls.none


def listed_only(turn: Turn, most: int) -> bool:
    """At least one call and at most so many, all of listed tools."""
    return 1 <= len(calls_of(turn)) <= most


def order(turn: Turn, first: str, second: str) -> bool:
    """Both tools are called, all calls of the first before any of the second."""
    names = [made.name for made in calls_of(turn) if made.name in (first, second)]
    return {first, second} == set(names) and names == sorted(names, key=[first, second].index)


def text_first(turn: Turn, most: int) -> bool:
    """Before the first call stand one to so many sentences."""
    before = turn.calls.before.strip()
    return bool(calls_of(turn) and before) and len(split_sentences(before)) <= most


def if_mentioned(turn: Turn, word: str, tool: str) -> bool:
    """One call of this tool where the user has mentioned a word before, no call where not."""
    return call(turn, tool) if mentions(turn.conversation, word) else none(turn)


_TOOL = Text("the name of a tool", max_chars=200, one_word=True)

RULES = {
    "tools:call": TurnRule(call, {"tool": _TOOL}),
    "tools:arguments": TurnRule(arguments, {"tool": _TOOL, "arguments": Texts("names of arguments", most=20)}),
    "tools:own_words": TurnRule(
        own_words, {"tool": _TOOL, "argument": Text("the name of an argument", max_chars=200, one_word=True)}
    ),
    "tools:none": TurnRule(none),
    "tools:listed_only": TurnRule(listed_only, {"most": Integer(1, 20, "calls")}),
    "tools:order": TurnRule(order, {"first": _TOOL, "second": _TOOL}),
    "tools:text_first": TurnRule(text_first, {"most": Integer(1, 10, "sentences")}),
    "tools:if_mentioned": TurnRule(
        if_mentioned, {"word": Text("the word", max_chars=40, one_word=True), "tool": _TOOL}
    ),
}
