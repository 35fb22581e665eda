"""The built-in conversations: enough of them, all different, whose answers keep the rules and whose calls fit the tools."""

import json
from collections import Counter

import pytest

from ifrl_core.constraints.catalog.hard.conversation_rules import fits_schema
from ifrl_core.constraints.catalog.hard.standing_rules import holds, standing_in
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.verifiers.turn import parameters_of
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import InputError
from ifrl_core.records import Conversation
from ifrl_core.seeds.read import SeedText, read_seeds
from ifrl_core.shipped import SEEDS
from tests.core.seeds.test_seeds_data import CONSTRAINTS, IFEVAL, grams

READ, REJECTED = read_seeds(["builtin:conversations", "builtin:tools"], builtin=False)
CHATS, TOOLS = ([seed.conversation for seed in READ if seed.source == f"builtin:{name}"] for name in SEEDS[1:])
EVERY = [*CHATS, *TOOLS]


def said(conversation: Conversation) -> str:
    return " ".join(message["content"] for message in conversation.messages)


def answers(conversation: Conversation) -> list[str]:
    return [m["content"] for m in conversation.history if m["role"] == "assistant" and not m.get("tool_calls")]


def test_there_are_enough_and_none_is_set_aside() -> None:
    assert (len(CHATS), len(TOOLS)) == (176, 96)
    assert not REJECTED
    assert len({seed.seed_id for seed in READ}) == len({seed.opening.casefold() for seed in READ}) == 272


def test_the_builtin_seeds_have_names_and_others_are_refused() -> None:
    plain: list[SeedText] = read_seeds(["builtin:seeds"], builtin=False)[0]
    assert [seed.seed_id for seed in plain] == [seed.seed_id for seed in read_seeds([], builtin=True)[0]]
    expected = (
        "seeds.files: there is no builtin:chess; built in are builtin:seeds, builtin:conversations and builtin:tools"
    )
    with pytest.raises(InputError, match=expected):
        read_seeds(["builtin:chess"], builtin=False)


def test_they_are_of_two_and_three_turns_and_some_have_a_system_message() -> None:
    assert Counter(len(item.user_turns) for item in CHATS) == {2: 133, 3: 43}
    assert Counter(len(item.user_turns) for item in TOOLS) == {1: 29, 2: 35, 3: 32}
    assert [sum(bool(item.system) for item in items) for items in (CHATS, TOOLS)] == [37, 9]
    assert not any(item.tools for item in CHATS)
    assert all(1 <= len(item.tools) <= 3 for item in TOOLS)


def test_they_are_short_enough_to_be_cheap() -> None:
    assert {text for item in CHATS for text in answers(item) if not 10 <= len(text.split()) <= 40} == set()
    assert {said(item) for item in CHATS if len(said(item).split()) > 130} == set()
    assert {said(item) for item in TOOLS if len(json.dumps(item.messages)) > 1_300} == set()


def test_what_is_asked_last_carries_no_constraint_of_its_own() -> None:
    assert [item.request for item in EVERY if CONSTRAINTS.search(item.request)] == []


def test_answers_keep_the_rules_that_were_given_before_them() -> None:
    rules = kept = 0
    for item in CHATS:
        given = []
        for message in item.messages[:-1]:
            if message["role"] == "assistant":
                kept += len(given)
                assert [rule for rule in given if not holds(rule, View(message["content"]))] == [], message["content"]
            else:
                given += standing_in(message["content"])
        rules += len(given)
    assert rules >= 30
    assert kept > rules


def test_calls_fit_the_tools_and_no_tool_is_odd() -> None:
    made = 0
    for item in TOOLS:
        schemas = parameters_of(item.tools)
        for message in item.history:
            for call in json.loads(message.get("tool_calls") or "[]"):
                function, made = call["function"], made + 1
                assert fits_schema(function["arguments"], schemas[function["name"]]), function
                assert set(function["arguments"]) <= set(schemas[function["name"]]["properties"])
    assert made == sum(len(item.user_turns) - 1 for item in TOOLS)


@pytest.mark.parametrize(("family", "conversations"), [("conversation:", CHATS), ("tools:", TOOLS)])
def test_each_type_of_its_family_can_be_asked_of_some(family: str, conversations: list[Conversation]) -> None:
    types = [type_ for type_ in CATALOG.values() if isinstance(type_, TurnType) and type_.id.startswith(family)]
    rare = {type_.id: sum(map(type_.needs, conversations)) for type_ in types}
    assert {type_: count for type_, count in rare.items() if count < 10} == {}


def test_no_two_are_near_duplicates() -> None:
    texts = [grams(said(item), 5) for item in EVERY]
    often = Counter(gram for text in texts for gram in text)
    assert max(often.values()) <= 5, often.most_common(3)
    shared = [(sum(often[gram] > 1 for gram in text) / len(text), text) for text in texts]
    assert [sorted(text)[:3] for share, text in shared if share > 0.2] == []


def test_none_is_an_ifeval_prompt_in_disguise() -> None:
    known = set().union(
        *(grams(json.loads(line)["prompt"], 6) for line in IFEVAL.read_text(encoding="utf-8").splitlines())
    )
    assert max(len(known & grams(said(item), 6)) for item in EVERY) <= 2
