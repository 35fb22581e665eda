"""What a warm start learns from: answers that are right and read well, the rarest type first."""

from typing import Any

from ifrl_core.records import Constraint, constraint_row, packed
from ifrl_core.text.reasoning import THINK
from ifrl_core.warm_start.choice import demonstrations
from ifrl_core.warm_start.own import right_answers
from tests.core.warm_start.test_calls import ASKED, rule, written

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no comma.", {})
LOWER = Constraint("change_case:english_lowercase", "hard", "Write in lowercase.", {})
RIVER = "the river rhine flows from the alps to the sea"


def prompt(name: str, *constraints: Constraint, **fields: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": f"Describe a river. {name}"}]
    rows = [constraint_row(constraint) for constraint in constraints]
    row = {"prompt": asked, "prompt_id": name, "seed": "Describe a river.", "conversation": None, "constraints": rows}
    return {**row, **fields}


def rollout(name: str, text: str, finish_reason: str = "stop") -> dict[str, Any]:
    return {"prompt_id": name, "text": text, "finish_reason": finish_reason}


def chosen(prompts: list[Any], rollouts: list[Any], of: dict[str, str], limit: int = 9) -> list[dict[str, Any]]:
    return demonstrations(prompts, rollouts, of, THINK, written, limit=limit, seed=0)


def test_what_is_right_reads_well_and_ended_is_taken_the_rarest_type_first() -> None:
    prompts = [prompt("a", NO_COMMA), prompt("b", NO_COMMA, LOWER)]
    rollouts = [
        rollout("a", RIVER),
        rollout("a", RIVER),  # once
        rollout("a", f"{RIVER}, at last"),
        rollout("a", f"{RIVER} and on", "length"),
        rollout("a", "that is all"),  # the task is dropped
        rollout("a", "this response contains no commas and the river flows"),
        rollout("a", "The river flows and flows to the sea."),
        rollout("b", RIVER),
        rollout("of a held-out prompt", RIVER),
    ]
    of = {"a": "i", "b": "j", "of a held-out prompt": "l"}
    found = [(asked["prompt_id"], response) for asked, response in right_answers(prompts, rollouts, of, THINK)]
    assert found == [("a", RIVER), ("a", "The river flows and flows to the sea."), ("b", RIVER)]
    hindsight = chosen(prompts[1:2], rollouts, {**of, "a": "j"})
    assert [(row["prompt_id"], row["response"]) for row in hindsight] == [("b", RIVER)]
    taken = [row["prompt_id"] for row in chosen(prompts, rollouts, of)]
    assert taken == ["b", "a", "b"], "the rarest type first, and as often as the other"
    assert len(chosen(prompts, rollouts, of, limit=1)) == 1


def test_a_call_is_built_where_one_is_asked_for() -> None:
    asked = {"seed": ASKED.request, "conversation": packed(ASKED)}
    prompts = [prompt("call", rule("call", tool="find_train"), **asked), prompt("none", rule("none"), **asked)]
    own = "The next train to York leaves at noon."
    said = f"<tool_response>{own}</tool_response>"
    found = chosen(
        prompts, [rollout("none", own), rollout("call", own), rollout("none", said)], {"call": "i", "none": "j"}
    )
    assert {(row["prompt_id"], row["source"]) for row in found} == {("call", "built"), ("none", "own")}
    assert {row["response"] for row in found if row["source"] == "own"} == {own}
