"""Rules on an answer and what was said before it: rules to hold, formats to keep, words to quote, to use or not to repeat.

Turns are the user's, counted from 1; turn 0 is the system message.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from ifrl_core.constraints.catalog.hard.standing_rules import Standing, holds, standing_in
from ifrl_core.constraints.verifiers.arguments import Integer, Text
from ifrl_core.constraints.verifiers.strict_json import strict_json
from ifrl_core.constraints.verifiers.turn import Turn, TurnRule
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import begins_with, folded, whole_word, words_of
from ifrl_core.records import Conversation

CODE = re.compile(r"(?<![\w-])[A-Z]{2,6}-?[0-9]{2,8}(?![\w-])")
NUMBER = re.compile(r"(?<![\w.,-])[0-9]{1,9}(?![\w-]|[.,][0-9])")
_QUOTED = re.compile(r'["“”«»„]([^"“”«»„]+)["“”«»„]')
_NUMBERED = re.compile(r"([0-9]{1,4})[.)]\s+\S")
_BULLET = re.compile(r"[-*•]\s+\S")
_LONG = 5  # letters of what the first turn is told by
MOST_WORDS = 1_000  # of an answer that edits are counted in, whose cost grows with its square


def turn_text(conversation: Conversation, turn: int) -> str:
    """What was said in a user's turn, or in the system message; empty where there is no such turn."""
    turns = [conversation.system, *conversation.user_turns]
    return turns[turn] if turn < len(turns) else ""


def standing(conversation: Conversation, turn: int) -> list[Standing]:
    """The rules that a turn lays down for all answers to come."""
    return standing_in(turn_text(conversation, turn))


def lower_words(text: str) -> list[str]:
    return words_of(folded(text).lower())


def long_words(text: str) -> list[str]:
    """Words of five letters or more, in lower case, each once, in order."""
    return list(dict.fromkeys(word for word in lower_words(text) if len(word) >= _LONG and word.isalpha()))


def form_of(view: View) -> str:
    """The format of a text that can be kept: bullets, numbers, JSON; empty for another."""
    if view.stripped[:1] in ("{", "[") and _parsed(view.stripped) is not None:
        return "json"
    for form, marker in (("bullets", _BULLET), ("numbers", _NUMBERED)):
        if sum(marker.match(line) is not None for line in view.lines) >= 2:
            return form
    return ""


def codes_in(text: str) -> list[str]:
    """Codes such as HB-2041, each once, in order."""
    return list(dict.fromkeys(CODE.findall(text)))


def mentions(conversation: Conversation, word: str) -> bool:
    """Whether the user has used a word before the last turn."""
    pattern = whole_word(folded(word))
    return any(pattern.search(folded(text)) is not None for text in conversation.user_turns[:-1])


def hold_rule(turn: Turn, turn_number: int) -> bool:
    rules = standing(turn.conversation, turn_number)
    return bool(rules) and all(holds(rule, turn) for rule in rules)


def keep_format(turn: Turn) -> bool:
    """The format is that of the last answer."""
    return bool(turn.said) and form_of(turn) == form_of(turn.said[-1]) != ""


def no_repetition(turn: Turn, words: int) -> bool:
    """No run of so many words stands in an earlier answer."""
    own = set(_runs(turn.lower_words, words))
    return not any(own.intersection(_runs(said.lower_words, words)) for said in turn.said)


def first_turn(turn: Turn, count: int) -> bool:
    """At least so many of the first turn's longer words."""
    return len(set(long_words(turn_text(turn.conversation, 1))).intersection(lower_words(turn.text))) >= count


def quote_turn(turn: Turn, turn_number: int, words: int) -> bool:
    """A quotation of so many words in a row of a turn."""
    said = set(_runs(lower_words(turn_text(turn.conversation, turn_number)), words))
    return any(said.intersection(_runs(lower_words(quote), words)) for quote in _QUOTED.findall(turn.text))


def small_edit(turn: Turn, percent: int) -> bool:
    """The last answer again, changed, with edits of at most so many words in a hundred."""
    if not turn.said:
        return False
    before = turn.said[-1].words
    most = percent * len(before) // 100
    return before != turn.words and edits_within(before, turn.words, most)


def edits_within(before: Sequence[str], after: Sequence[str], most: int) -> bool:
    """Whether at most so many words are replaced, added or taken away between two texts (Levenshtein, in a band)."""
    if abs(len(before) - len(after)) > most:
        return False
    row = {place: place for place in range(most + 1)}  # place in `after` -> edits up to there
    for i, word in enumerate(before, 1):
        edits: dict[int, int] = {}
        for j in range(max(0, i - most), min(len(after), i + most) + 1):
            ways = [row.get(j, most), edits.get(j - 1, most)]
            kept = row.get(j - 1, most) - (j > 0 and after[j - 1] == word) if j else most
            edits[j] = min(most, *ways, kept) + 1
        row = edits
        if min(row.values(), default=most + 1) > most:
            return False
    return row.get(len(after), most + 1) <= most


def shorter(turn: Turn, percent: int) -> bool:
    """At most so many words in a hundred of the last answer's."""
    return bool(turn.said) and len(turn.words) <= percent * len(turn.said[-1].words) / 100


def reference_code(turn: Turn) -> bool:
    """All codes of the system message, and no other code."""
    asked = set(codes_in(turn.conversation.system))
    return bool(asked) and set(codes_in(turn.text)) == asked


def number_said(turn: Turn, turn_number: int) -> bool:
    """The numbers of a turn."""
    asked = set(NUMBER.findall(turn_text(turn.conversation, turn_number)))
    return bool(asked) and asked <= set(NUMBER.findall(turn.text))


def if_mentioned(turn: Turn, word: str, then: str, otherwise: str) -> bool:
    """The first word depends on what the user has mentioned."""
    return begins_with(turn.text, then if mentions(turn.conversation, word) else otherwise)


def plan_steps(turn: Turn, most: int) -> bool:
    """Steps numbered 1., 2., 3. ... in order, one at least and no more than so many."""
    numbers = [match.group(1) for match in map(_NUMBERED.match, turn.lines) if match]
    return 1 <= len(numbers) <= most and numbers == [str(n) for n in range(1, len(numbers) + 1)]


def json_schema(turn: Turn, schema: str) -> bool:
    """JSON and nothing else, of a schema."""
    try:
        found = strict_json(_unfenced(turn.stripped))
    except (ValueError, RecursionError):
        return False
    return fits_schema(found, json.loads(schema))


def fits_schema(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a JSON value is of a schema. Nothing is fetched for one that points elsewhere; no value is of a broken one.

    Schemas come with the data, so their regular expressions are not run: names and texts that one is for are passed over.
    """
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    validator = _validator(json.dumps(schema))
    try:
        return validator is not None and bool(validator.is_valid(value))
    except (
        UnknownType,
        Unresolvable,
        RecursionError,
        OverflowError,
        ValueError,
    ):  # the last two of numbers such as NaN
        return False


def is_schema(schema: dict[str, Any]) -> bool:
    """Whether a JSON object is a JSON schema."""
    return _validator(json.dumps(schema)) is not None


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    """Of a schema's JSON text; None for one that is broken."""
    import jsonschema
    from referencing import Registry

    parsed = json.loads(schema)
    kind = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(parsed, format_checker=None)  # its regular expressions may be of another language
    except (jsonschema.SchemaError, RecursionError):
        return None
    return _without_regexes(kind)(parsed, registry=Registry())


def _without_regexes(kind: Any) -> Any:
    """A class of validators that never matches a regular expression of a schema."""
    import jsonschema

    def passed_over(*_: Any) -> Iterator[Any]:
        yield from ()

    def others(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if "patternProperties" not in schema:
            yield from kind.VALIDATORS["additionalProperties"](validator, allowed, instance, schema)

    with_regexes = ("pattern", "patternProperties", "unevaluatedProperties")
    keywords = {name: passed_over for name in with_regexes if name in kind.VALIDATORS}
    return jsonschema.validators.extend(kind, {**keywords, "additionalProperties": others})


class JsonSchema:
    """A JSON schema of an object, as JSON text."""

    allowed = "a JSON schema of an object, as JSON text of at most 4000 characters"

    def check(self, value: Any) -> str:
        """With its keys sorted."""
        schema = json.loads(value) if isinstance(value, str) and len(value) <= 4_000 else None
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise ValueError
        return json.dumps(schema, sort_keys=True, ensure_ascii=False)


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """All runs of so many words."""
    return zip(*(words[place:] for place in range(length)), strict=False)


def _parsed(text: str) -> tuple[Any] | None:
    """A JSON value in a tuple; None where the text is none."""
    try:
        return (json.loads(text),)
    except (ValueError, RecursionError):
        return None


def _unfenced(text: str) -> str:
    """A text without the code fence around it."""
    lines = text.split("\n")
    fenced = len(lines) > 2 and lines[0].strip() in ("```", "```json") and lines[-1].strip() == "```"
    return "\n".join(lines[1:-1]) if fenced else text


_TURN = Integer(0, 100, "turns: the user's, counted from 1, or 0 for the system message")
_USER_TURN = Integer(1, 100, "turns of the user, counted from 1")
_OPENER = Text("the first word", max_chars=40, one_word=True)

RULES = {
    "conversation:hold_rule": TurnRule(hold_rule, {"turn_number": _TURN}),
    "conversation:keep_format": TurnRule(keep_format),
    "conversation:no_repetition": TurnRule(no_repetition, {"words": Integer(3, 30, "words in a row")}),
    "conversation:first_turn": TurnRule(first_turn, {"count": Integer(1, 20, "words")}),
    "conversation:quote_turn": TurnRule(
        quote_turn, {"turn_number": _USER_TURN, "words": Integer(2, 30, "words in a row")}
    ),
    "conversation:small_edit": TurnRule(small_edit, {"percent": Integer(1, 100, "words in a hundred")}),
    "conversation:shorter": TurnRule(shorter, {"percent": Integer(5, 100, "words in a hundred")}),
    "conversation:reference_code": TurnRule(reference_code),
    "conversation:number_said": TurnRule(number_said, {"turn_number": _USER_TURN}),
    "conversation:if_mentioned": TurnRule(
        if_mentioned, {"word": Text("the word", max_chars=40, one_word=True), "then": _OPENER, "otherwise": _OPENER}
    ),
    "conversation:plan_steps": TurnRule(plan_steps, {"most": Integer(1, 50, "steps")}),
    "conversation:json_schema": TurnRule(json_schema, {"schema": JsonSchema()}),
}
