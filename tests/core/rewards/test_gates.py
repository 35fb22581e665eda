"""Gates and trip-wires: what they catch, what they let pass."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.errors import HackError
from ifrl_core.records import Constraint, conversation_of
from ifrl_core.rewards import score_responses
from ifrl_core.rewards.gates import gate, is_degenerate
from ifrl_core.rewards.score import RewardPlan, off_task_by_words
from ifrl_core.rewards.step_figures import check_hacks, hack_metrics
from ifrl_core.rewards.tripwires import tripped
from ifrl_core.text.reasoning import THINK, Reasoning

SEED = "Write a few lines about rivers."
HONEST = "A river begins as rain in the hills, gathers streams, and ends as sea after a long and patient walk."
NO_COMMA = Constraint("punctuation:no_comma", "hard", "Do not use any commas in your answer.")
ABOUT = Constraint("keywords:existence", "hard", "Mention rain.", {"keywords": ["rain"]})
END = Constraint("startend:end_checker", "hard", "End with the words That is all.", {"end_phrase": "That is all."})


def test_an_answer_that_leaves_the_task_aside_keeps_part_of_its_reward() -> None:
    plan = RewardPlan(intent_factor=0.25, degenerate_factor=0.0)
    dropped, kept = score_responses(
        ["That is all.", "A river ends as sea. That is all."], [[END], [END]], None, seeds=[SEED, SEED], plan=plan
    )
    assert (dropped.parts, dropped.gate, dropped.total) == ((1.0,), 0.25, 0.25)
    assert (kept.gate, kept.total) == (1.0, 1.0)


def test_a_call_of_a_tool_is_judged_by_rules_and_not_by_its_few_words() -> None:
    tools = [
        {"type": "function", "function": {"name": "book_room", "parameters": {"type": "object", "properties": {}}}}
    ]
    call = '<tool_call>\n{"name": "book_room", "arguments": {}}\n</tool_call>'
    with_tools = {"role": "user", "content": SEED, "tools": json.dumps(tools)}
    asked = [conversation_of({"seed": SEED, "messages": [with_tools]}), conversation_of({"seed": SEED})]
    constraint = Constraint("tools:call", "hard", "Call book_room.", {"tool": "book_room"})
    plan = RewardPlan(intent_factor=0.25)
    offered, prose = score_responses(
        [call, "It is booked."], [[constraint]] * 2, None, seeds=[SEED] * 2, conversations=asked[:1] * 2, plan=plan
    )
    assert (offered.total, offered.gate, prose.gate) == (1.0, 1.0, 0.25)
    figures = hack_metrics([SEED] * 2, [call, "It is booked."], [[constraint]] * 2, [offered, prose], THINK)
    assert (figures["task_dropped"], figures["hack/hollow"]) == (0.5, 0.0), "of the two only the prose"
    (no_tools,) = score_responses([call], [[END]], None, seeds=[SEED], conversations=asked[1:], plan=plan)
    assert no_tools.gate == 0.25, "where no tool is offered, a call is a way to say nothing"


def test_an_answer_that_the_token_budget_ended_keeps_part_of_its_reward() -> None:
    plan = RewardPlan(cut_off_factor=0.5)
    rewards = score_responses([HONEST, HONEST, ""], [[ABOUT]] * 3, None, cut_off=[True, False, True], plan=plan)
    assert [(reward.gate, reward.total) for reward in rewards] == [(0.5, 0.5), (1.0, 1.0), (0.5, 0.0)]


def test_going_round_in_circles_earns_nothing_and_asked_repetition_does() -> None:
    assert is_degenerate("the river flows and " * 12)
    assert not is_degenerate(HONEST)
    assert not is_degenerate("the river flows. " * 3)
    assert not is_degenerate(f"{HONEST} {HONEST}")
    assert gate("the river flows and " * 12, off_task=False, degenerate_factor=0.0, intent_factor=1.0) == 0.0


def test_without_gates_the_reward_is_the_papers() -> None:
    (reward,) = score_responses(["That is all."], [[END]], None)
    assert (reward.gate, reward.total) == (1.0, 1.0)
    with pytest.raises(ValueError, match="needs the seed instructions"):
        score_responses(["That is all."], [[END]], None, plan=RewardPlan(intent_factor=0.5))


def test_reasoning_that_must_close_and_does_not_earns_nothing() -> None:
    plan = RewardPlan(reasoning=Reasoning(always=True))
    answers = ["no commas here at all", "<think>hm</think>no commas here at all"]
    assert [r.total for r in score_responses(answers, [[NO_COMMA]] * 2, None, plan=plan)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("answer", "wires"),
    [
        (HONEST, set()),
        ("This response contains no commas. A river ends as sea.", {"claims"}),
        ("A river ends as sea, as requested.", {"claims"}),
        ("Do not use any commas in your answer. A river ends as sea.", {"echo"}),
        ("River river river river and the river is a river of rivers and river water.", {"stuffing"}),
        ("Fine weather today everybody agrees.", {"hollow"}),
    ],
)
def test_wires(answer: str, wires: set[str]) -> None:
    parts = [float("," not in answer)]
    assert {name for name, found in tripped(SEED, answer, [NO_COMMA], parts).items() if found} == wires


def test_too_many_tripped_wires_stop_a_run_with_the_share_of_each() -> None:
    answers = ["Fine weather today everybody agrees.", HONEST]
    rewards = score_responses(answers, [[NO_COMMA]] * 2, None)
    metrics = hack_metrics([SEED, SEED], answers, [[NO_COMMA]] * 2, rewards, THINK)
    assert (metrics["hack/any"], metrics["hack/hollow"], metrics["hack/claims"]) == (0.5, 0.5, 0.0)
    check_hacks(metrics, 0.5)
    with pytest.raises(HackError, match=r"50% of a step's answers trip a wire .*hollow 50%"):
        check_hacks(metrics, 0.4)


@given(st.text(), st.text())
def test_no_text_makes_a_gate_or_wire_raise(seed: str, answer: str) -> None:
    (off_task,) = off_task_by_words([seed], [answer])
    assert 0 <= gate(answer, off_task=off_task, degenerate_factor=0.3, intent_factor=0.5) <= 1
    tripped(seed, answer, [NO_COMMA], [None])
