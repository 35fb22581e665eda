"""Types of conversations: drawn where they are named and can be asked, judged with the conversation that is answered."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.catalog.hard.conversation_rules import edits_within, fits_schema
from ifrl_core.constraints.catalog.hard.standing_rules import standing_in
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.conflicts import conflict
from ifrl_core.constraints.sampling import chosen_types, sample_constraints
from ifrl_core.constraints.satisfy import draft_of
from ifrl_core.constraints.turn_types import EXAMPLE, TurnType, askable
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.constraints.verdict import strict_and_loose
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint, Conversation

FAMILIES = ["conversation:", "tools:", "dialog:"]
ANSWER = EXAMPLE.messages[2]["content"]
ALONE = Conversation(({"role": "user", "content": "Name a fruit."},))


def _call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


FIND, BOOK = _call("find_boats", harbour="west", day=2), _call("book_seat", boat="Heron", seats=1)
SCHEMA = json.dumps({"type": "object", "properties": {"tide": {"type": "integer"}}, "required": ["tide"]})
CASES = [
    ("conversation:hold_rule", {"turn_number": 0}, "All is well. Fair winds.", "Fair winds to you"),
    ("conversation:hold_rule", {"turn_number": 0}, "Fair winds.", "All is well."),
    ("conversation:keep_format", {}, "* one\n* two", "1. one\n2. two"),
    ("conversation:no_repetition", {"words": 4}, "The Heron leaves early", "Well, the Heron leaves at six"),
    ("conversation:first_turn", {"count": 2}, "From the western harbour", "From the harbour"),
    ("conversation:quote_turn", {"turn_number": 1, "words": 3}, 'You ask “Which boats leave” it', "Which boats leave"),
    ("conversation:small_edit", {"percent": 10}, ANSWER.replace("six", "nine"), ANSWER),
    ("conversation:small_edit", {"percent": 10}, ANSWER + " And then some.", ANSWER + " And then some more of it."),
    ("conversation:shorter", {"percent": 50}, "The Heron at six", ANSWER),
    ("conversation:reference_code", {}, "See HB-2041.", "See HB-2041 and HB-2042."),
    ("conversation:number_said", {"turn_number": 1}, "On the 14 of May", "On the 140th"),
    ("conversation:if_mentioned", {"word": "boats", "then": "Yes", "otherwise": "Well"}, "Yes, it is.", "Well, no."),
    ("conversation:if_mentioned", {"word": "trains", "then": "Yes", "otherwise": "Well"}, "Well, no.", "Yes, it is."),
    ("conversation:plan_steps", {"most": 2}, "1. Wake up\n2. Light the lamp", "1. Wake\n2. Light\n3. Sleep"),
    ("conversation:json_schema", {"schema": SCHEMA}, '```json\n{"tide": 3}\n```', '{"tide": "high"}'),
    ("conversation:json_schema", {"schema": SCHEMA}, '{"tide": 3}', '{"tide": 3, "tide": 4}'),
    ("conversation:json_schema", {"schema": SCHEMA}, '{"tide": 3, "ebb": 2}', '{"tide": 3, "ebb": NaN}'),
    ("tools:call", {"tool": "find_boats"}, f"Let me see. {FIND}", FIND + BOOK),
    ("tools:call", {"tool": "find_boats"}, FIND, _call("find_boats", harbour="west", day="two")),
    ("tools:call", {"tool": "find_boats"}, FIND, FIND.replace('"day": 2', '"day": 2, "day": 3')),
    ("tools:arguments", {"tool": "book_seat", "arguments": ["boat", "seats"]}, BOOK, FIND),
    ("tools:arguments", {"tool": "book_seat", "arguments": ["boat", "seats"]}, BOOK,
     BOOK.replace('"seats": 1', '"seats": 1, "seats": 2')),
    ("tools:own_words", {"tool": "find_boats", "argument": "harbour"},
     _call("find_boats", harbour="lighthouse keeper", day=1), FIND),
    ("tools:none", {}, "No boats today.", "No boats <tool_call>{oops"),
    ("tools:listed_only", {"most": 2}, FIND + BOOK, FIND + _call("sink_boat")),
    ("tools:order", {"first": "find_boats", "second": "book_seat"}, FIND + BOOK, BOOK + FIND),
    ("tools:text_first", {"most": 1}, f"I look it up. {FIND}", FIND),
    ("tools:if_mentioned", {"word": "boats", "tool": "find_boats"}, FIND, "None."),
    ("tools:if_mentioned", {"word": "trains", "tool": "find_boats"}, "None.", FIND),
]  # fmt: skip


def _constraint(type_id: str, args: dict[str, Any]) -> Constraint:
    return CATALOG[type_id].constraint(args)


@pytest.mark.parametrize(("type_id", "args", "right", "wrong"), CASES)
def test_the_conversation_decides(type_id: str, args: dict[str, Any], right: str, wrong: str) -> None:
    constraint = [_constraint(type_id, args)]
    assert [verdicts_in(EXAMPLE, constraint, text) for text in (right, wrong)] == [[True], [False]]


def test_regular_expressions_of_schemas_are_not_run() -> None:
    slow = "^(a+)+$"
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": slow}},
        "patternProperties": {slow: {"type": "string"}},
        "additionalProperties": False,
        "unevaluatedProperties": False,
    }
    attack = "a" * 40 + "b"
    assert fits_schema({"a": attack, attack: "x"}, schema)
    assert not fits_schema({"a": 1}, schema)
    assert not fits_schema({"b": 1}, {"type": "object", "properties": {}, "additionalProperties": False})


@pytest.mark.parametrize("of_argument", [True, {"enum": []}, {"type": "number", "multipleOf": 0.5}])
def test_no_schema_or_value_makes_a_tool_raise(of_argument: Any) -> None:
    schema = {"type": "object", "properties": {"a": of_argument}, "required": ["a"]}
    tools = json.dumps([{"type": "function", "function": {"name": "f", "parameters": schema}}])
    asked = Conversation(({"role": "user", "content": "Hi", "tools": tools},))
    for type_id in (case[0] for case in CASES if case[0].startswith("tools:")):
        askable(CATALOG[type_id], asked)
    assert not fits_schema({"a": float("nan")}, {**schema, "properties": {"a": {"type": "string"}}})
    assert fits_schema({"a": float("inf")}, schema) in (True, False)


def test_every_hard_type_of_conversations_is_judged_above() -> None:
    hard = {type_.id for type_ in CATALOG.values() if isinstance(type_, TurnType) and type_.kind == "hard"}
    assert hard == {case[0] for case in CASES}
    assert len(hard) >= 12


def test_what_no_recipe_names_is_not_drawn() -> None:
    assert not any(isinstance(type_, TurnType) for type_ in chosen_types(None))
    plain = sample_constraints("Name a fruit.", 5, random.Random(1))
    assert plain == sample_constraints("Name a fruit.", 5, random.Random(1), conversation=EXAMPLE)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_conversation_is_asked_for_what_it_has(share: float) -> None:
    drawn = [
        constraint
        for number in range(4)
        for constraint in sample_constraints(
            EXAMPLE.request, 4, random.Random(number), types=FAMILIES, hard_share=share, conversation=EXAMPLE
        )
    ]
    assert len(drawn) >= 12
    assert {c.kind for c in drawn} == ({"soft"} if share == 0 else {"hard"} if share == 1 else {"hard", "soft"})


def test_one_turn_alone_is_asked_for_nothing_that_it_lacks() -> None:
    drawn = {
        constraint.type
        for number in range(40)
        for constraint in sample_constraints("Name a fruit.", 4, random.Random(number), types=FAMILIES)
    }
    assert drawn == {"conversation:plan_steps", "conversation:json_schema", "dialog:tone_of_user", "dialog:ask_back"}


@pytest.mark.parametrize("conversation", [None, ALONE])
def test_a_type_that_needs_more_says_so_and_plain_ones_do_not_care(conversation: Conversation | None) -> None:
    plain = CATALOG["punctuation:no_comma"].constraint({})
    assert verdicts_in(conversation, [plain], "No, no.") == [False]
    with pytest.raises(ConstraintError, match=r"tools:none cannot be judged: .*conversation"):
        verdicts_in(conversation, [plain, _constraint("tools:none", {})], "No.")


def test_a_rule_on_conversations_refuses_a_response_alone() -> None:
    with pytest.raises(ConstraintError, match="rule on conversations is asked without one"):
        strict_and_loose([_constraint("tools:none", {})], "No.")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("tools:none", {}), ("tools:listed_only", {"most": 2})),
        (("tools:call", {"tool": "find_boats"}), ("tools:arguments", {"tool": "book_seat", "arguments": ["boat"]})),
        (("conversation:small_edit", {"percent": 20}), ("conversation:shorter", {"percent": 50})),
        (("conversation:json_schema", {"schema": SCHEMA}), ("conversation:plan_steps", {"most": 3})),
    ],
)
def test_what_cannot_be_asked_together(a: tuple[str, Any], b: tuple[str, Any]) -> None:
    assert conflict(_constraint(*a), _constraint(*b), EXAMPLE)
    assert conflict(_constraint(*b), _constraint(*a), EXAMPLE)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ('Always begin with "Ahoy". Be kind.', [("startend:begin_phrase", {"phrase": "Ahoy"})]),
        ('Never use the word "storm".', [("keywords:forbidden_words", {"forbidden_words": ["storm"]})]),
        ("From now on answer in French.", [("language:response_language", {"language": "fr"})]),
        (
            "Each answer has at most 3 sentences.\nNever use commas.",
            [
                ("length_constraints:number_sentences", {"num_sentences": 4, "relation": "less than"}),
                ("punctuation:no_comma", {}),
            ],
        ),
        ('End with "Ahoy".', []),  # this time alone
        ('Never end your answers with "Ahoy".', []),  # the opposite
        ("Never answer in French.", []),
        ('If you are asked for a price, always begin with "Ahoy".', []),  # in that case alone
        ('If a child asks, never use the word "storm". Never use commas when you write in French.', []),
        ('Always end with "Ahoy" unless asked otherwise. Never use the word "fog" except in quotes.', []),
        ('Never use the word "fog", even if asked.', [("keywords:forbidden_words", {"forbidden_words": ["fog"]})]),
        ("Always be kind.", []),
        ("Translate every message in French.", []),  # of what is translated
        ("Correct every essay written in English. Count every message of up to 40 words.", []),
        ("Each text in Spanish gets an answer. You always help people who write in German.", []),
        ("Check that every text is in lowercase.", []),
        ("You are one who always answers in French.", [("language:response_language", {"language": "fr"})]),
        ("Answer every question in German.", [("language:response_language", {"language": "de"})]),
        ("Write all of your answers in Spanish.", [("language:response_language", {"language": "es"})]),
    ],
)
def test_rules_that_are_laid_down_for_all_answers(text: str, rules: list[Any]) -> None:
    assert standing_in(text) == rules


def test_edits_are_counted_in_words() -> None:
    before = "a b c d e f g h i j".split()  # noqa: SIM905
    assert edits_within(before, before, 0)
    assert edits_within(before, ["a", "x", *before[2:], "y"], 2)
    assert not edits_within(before, ["a", "x", *before[2:], "y"], 1)
    assert not edits_within(before, before[5:], 4)


PIECES = st.lists(
    st.sampled_from(
        ["* one", "* two", "1. a", "2. b", "{", '{"a": 1}', "HB-20", "AB123", "7", "3.5", 'Always end with "x".', '"', "\n",
         "Never use commas.", "boats", "harbour masters", "From now on use at most 12 words.", "é", "\ud800", "a b c d e f"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip
SCHEMAS = st.recursive(
    st.sampled_from(
        [{}, {"type": "string"}, {"type": "integer", "minimum": 3}, {"enum": [1, "a"]}, {"type": ["null", "string"]},
         {"type": "string", "pattern": "x+"}, {"$ref": "#/nowhere"}, {"type": "oops"}]
    ),
    lambda inner: st.builds(lambda item: {"type": "array", "items": item, "minItems": 1}, inner),
    max_leaves=2,
)  # fmt: skip
TOOLS = st.lists(
    st.builds(
        lambda name, properties, required: {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {"type": "object", "properties": properties, "required": sorted(properties)[:required]},
            },
        },
        st.sampled_from(["a", "b", "c"]),
        st.dictionaries(st.sampled_from(["x", "y"]), SCHEMAS),
        st.integers(0, 2),
    ),
    max_size=3,
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    turns = draw(st.lists(PIECES.filter(str.strip), min_size=1, max_size=5).filter(lambda texts: len(texts) % 2 == 1))
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    system = draw(st.none() | PIECES)
    messages = messages if system is None else [{"role": "system", "content": system}, *messages]
    tools = draw(TOOLS)
    return Conversation(({**messages[0], **({"tools": json.dumps(tools)} if tools else {})}, *messages[1:]))


@settings(max_examples=12, deadline=None)
@given(conversations(), st.integers(0, 1_000), PIECES)
def test_what_can_be_asked_of_a_conversation_can_be_drawn_and_judged_in_it(
    conversation: Conversation, number: int, text: str
) -> None:
    for type_ in CATALOG.values():
        if isinstance(type_, TurnType) and (asked := askable(type_, conversation)):
            constraint = asked.constraint(asked.sample(random.Random(number), seed_text=conversation.request), number)
            (verdict,) = verdicts_in(conversation, [constraint], text)
            assert verdict in ((True, False) if type_.kind == "hard" else (None,))
            draft_of([constraint], conversation)
